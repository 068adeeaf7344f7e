package demo

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// browser is somebody's browser: it keeps cookies, follows redirects, and types
// the password wherever the provider asks for it.
type browser struct {
	user   string
	issuer string
	client *http.Client
}

func newBrowser(user, issuer string) *browser {
	client := newClient()
	client.Jar, _ = cookiejar.New(nil) // never fails, says its documentation
	client.CheckRedirect = nil         // at most 10
	return &browser{user, issuer, client}
}

// page is what a browser shows in the end.
type page struct {
	answer
	url    *url.URL
	signed int // how often the password was typed on the way
}

// maxSignIns bounds how often the password is typed. The gateway asks twice if
// the first sign-in can't be told from one before a sign-out.
const maxSignIns = 3

// open navigates to an address and signs in as often as it takes.
func (b *browser) open(ctx context.Context, address string) (page, error) {
	p, err := b.navigate(ctx, http.MethodGet, address, nil)
	for err == nil && b.asksToSignIn(p) {
		if p.signed == maxSignIns {
			return p, fmt.Errorf("opening %s: after %d sign-ins: %w", address, p.signed, errRefused)
		}
		typed := p.signed + 1
		if p, err = b.typePassword(ctx, p); err == nil {
			p.signed = typed
		}
	}
	return p, err
}

// asksToSignIn reports whether a page is the provider's.
func (b *browser) asksToSignIn(p page) bool { return originOf(p.url) == b.issuer }

var formAction = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)

func (b *browser) typePassword(ctx context.Context, p page) (page, error) {
	action := formAction.FindSubmatch(p.body)
	if action == nil {
		return page{}, fmt.Errorf("signing in in a browser: status %d, and no form: %s", p.status, p.body)
	}
	to, err := p.url.Parse(html.UnescapeString(string(action[1])))
	if err != nil {
		return page{}, fmt.Errorf("signing in in a browser: %w", err)
	}
	return b.navigate(ctx, http.MethodPost, to.String(), url.Values{"user": {b.user}, "password": {passwords[b.user]}})
}

// post sends a form of a page of the gateway, as its button does.
func (b *browser) post(ctx context.Context, address string, form url.Values) (page, error) {
	return b.navigate(ctx, http.MethodPost, address, form)
}

// navigate sends what a browser sends to show a page.
func (b *browser) navigate(ctx context.Context, method, address string, form url.Values) (page, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return page{}, err
	}
	for name, value := range map[string]string{
		"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none",
	} {
		r.Header.Set(name, value)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", originOf(r.URL))
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return b.do(r)
}

// fetch asks as a script of a page does.
func (b *browser) fetch(ctx context.Context, address string) (page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return page{}, err
	}
	for name, value := range map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"} {
		r.Header.Set(name, value)
	}
	return b.do(r)
}

// do asks. Its errors leave out the address, because the query may hold a code.
func (b *browser) do(r *http.Request) (page, error) {
	response, err := b.client.Do(r)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return page{}, fmt.Errorf("asking in a browser: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return page{}, fmt.Errorf("reading what a browser shows: %w", err)
	}
	return page{answer: answer{response.StatusCode, response.Header, body}, url: response.Request.URL}, nil
}

func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }
