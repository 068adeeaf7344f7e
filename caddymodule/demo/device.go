package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"
	"time"

	"curfew.dev/curfew/internal/devidp"
	"curfew.dev/curfew/internal/pause"
)

// device is somebody's phone, laptop or console, with a browser of its own and
// therefore a session of its own.
type device struct {
	name, user, client string

	issuer  string
	asks    asks
	dir     directory
	browser *http.Client

	mu     sync.Mutex // held while the provider is asked: a refresh token is good once
	tokens devidp.Tokens
}

// asks are what a device wants of the provider.
type asks struct {
	scope []string
	acr   string // empty: what a password reaches
}

// parameters of the authorization request, and the one-time code.
func (a asks) parameters(more url.Values) (all url.Values, code string) {
	all = maps.Clone(more)
	if a.acr == "" || a.acr == devidp.ACRPassword {
		return all, ""
	}
	if all == nil {
		all = make(url.Values)
	}
	all.Set("acr_values", a.acr)
	return all, devidp.DefaultCode
}

func newDevice(name, user, client, issuer string, dir directory, a asks) *device {
	browser := newClient()
	browser.Jar, _ = cookiejar.New(nil) // never fails, says its documentation
	return &device{name: name, user: user, client: client, issuer: issuer, asks: a, dir: dir, browser: browser}
}

// signIn goes through the sign-in page. Parameters are added to the
// authorization request.
func (d *device) signIn(ctx context.Context, parameters url.Values) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	parameters, code := d.asks.parameters(parameters)
	tokens, err := devidp.SignIn(ctx, d.browser, devidp.SignInRequest{
		Issuer: d.issuer, ClientID: d.client, RedirectURI: redirectURI, Scope: d.asks.scope, Parameters: parameters,
		User: d.user, Password: passwords[d.user], Code: code, Device: d.name,
	})
	if err != nil {
		return fmt.Errorf("signing in on %s: %w", d.name, err)
	}
	return d.keep(tokens)
}

// refresh gets a new access token for the same session.
func (d *device) refresh(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	tokens, err := devidp.Refresh(ctx, d.browser, d.issuer, d.client, d.tokens.RefreshToken)
	if err != nil {
		return fmt.Errorf("refreshing on %s: %w", d.name, err)
	}
	return d.keep(tokens)
}

// keep also writes the file that the curl commands name. The caller holds mu.
func (d *device) keep(t devidp.Tokens) error {
	d.tokens = t
	return d.dir.write(d.name, "Authorization: Bearer "+t.AccessToken+"\n")
}

// authorization is the value of the header.
func (d *device) authorization() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return "Bearer " + d.tokens.AccessToken
}

// lifetime is how long a new access token lasts.
func (d *device) lifetime() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.tokens.ExpiresIn) * time.Second
}

const (
	entryWithin = 30 * time.Second
	entryPause  = 500 * time.Millisecond
)

// enter signs in until the gateway admits: it plays back what each challenge
// asks for, as a client must. After a sign-out that takes as long as clocks may
// differ, because until then a sign-in can't be told from one before it. It
// returns how often the person signed in.
func (d *device) enter(ctx context.Context, app string) (times int, err error) {
	ctx, cancel := context.WithTimeout(ctx, entryWithin)
	defer cancel()
	parameters := url.Values{"prompt": {"login"}}
	for times = 1; ; times++ {
		if err := d.signIn(ctx, parameters); err != nil {
			return times, err
		}
		a, err := get(ctx, d.browser, app, d.authorization())
		if err != nil {
			return times, err
		}
		maxAge, again := maxAgeOf(a)
		if !again {
			return times, expectAdmitted(a)
		}
		parameters = url.Values{"max_age": {maxAge}}
		if pause.For(ctx, entryPause) != nil {
			return times, fmt.Errorf("entering on %s: after %d sign-ins in %s: %w", d.name, times, entryWithin, errRefused)
		}
	}
}

var errRefused = errors.New("the gateway still refuses")

// keepFresh refreshes before each token ends, until the context does or the
// provider refuses.
func (d *device) keepFresh(ctx context.Context) error {
	for {
		if pause.For(ctx, d.lifetime()/2) != nil {
			return nil
		}
		if err := d.refresh(ctx); err != nil {
			return err
		}
	}
}
