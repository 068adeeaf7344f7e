package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// browsersSignIn opens the service in both browsers of alice.
func (s *story) browsersSignIn(ctx context.Context) (string, error) {
	for _, b := range s.browsers {
		if err := s.browserPasses(ctx, b, 1); err != nil {
			return "", err
		}
	}
	return "", nil
}

// browserPasses expects that a browser gets the page that it opens, after typing
// the password so often.
func (s *story) browserPasses(ctx context.Context, b *browser, signed int) error {
	p, err := b.open(ctx, s.app()+"files?of=alice")
	if err != nil {
		return err
	}
	if err := errors.Join(
		expectStatus(p.answer, http.StatusOK),
		expect("address in the browser", p.url.String(), s.app()+"files?of=alice"),
		expect("sign-ins on the way", p.signed, signed),
	); err != nil {
		return err
	}
	for _, line := range []string{"\nCurfew-Subject: " + b.user + "\n", "\nCurfew-Client: browser\n"} {
		if !strings.Contains(string(p.body), line) {
			return &mismatch{"what the service heard of a browser", strings.TrimSpace(line), string(p.body)}
		}
	}
	return nil
}

func (s *story) browsersAreOut(ctx context.Context) (string, error) {
	for _, b := range s.browsers {
		if err := s.browserIsOut(ctx, b); err != nil {
			return "", err
		}
	}
	return "the provider asks for the password although it knows her", nil
}

// browserIsOut expects that a script of a page is refused and told where to sign
// in, and that a browser which opens a page ends at the provider. The service is
// not asked.
func (s *story) browserIsOut(ctx context.Context, b *browser) error {
	before := s.service.requests.Load()
	fetched, err := b.fetch(ctx, s.app())
	if err != nil {
		return err
	}
	var problem struct {
		Type   string
		SignIn string `json:"sign_in"`
	}
	if err := json.Unmarshal(fetched.body, &problem); err != nil {
		return fmt.Errorf("reading what a script hears: %w", err)
	}
	opened, err := b.navigate(ctx, http.MethodGet, s.app(), nil)
	if err != nil {
		return err
	}
	return errors.Join(
		expectStatus(fetched.answer, http.StatusUnauthorized),
		expect("problem type", problem.Type, "urn:curfew:signed-out"),
		expect("a way to sign in", strings.HasPrefix(problem.SignIn, "/.curfew/sign-in"), true),
		expect("the sign-in page", b.asksToSignIn(opened) && opened.status == http.StatusOK, true),
		expect("requests at the service", s.service.requests.Load()-before, 0),
	)
}

func (s *story) browserSignsInAgain(ctx context.Context) (string, error) {
	return "", errors.Join(s.browserPasses(ctx, s.browsers[0], 1), s.browserIsOut(ctx, s.browsers[1]))
}

// browserSignsOut presses the button of the page that asks.
func (s *story) browserSignsOut(ctx context.Context) (string, error) {
	b, path := s.browsers[0], s.app()+".curfew/sign-out"
	asked, err := b.navigate(ctx, http.MethodGet, path, nil)
	if err != nil {
		return "", err
	}
	done, err := b.post(ctx, path, nil)
	if err != nil {
		return "", err
	}
	// The cookie is gone, so nothing says any more that the session was signed out.
	session, err := b.fetch(ctx, path[:len(path)-len("sign-out")]+"session")
	if err != nil {
		return "", err
	}
	return "", errors.Join(
		expectStatus(asked.answer, http.StatusOK), expectStatus(done.answer, http.StatusOK),
		expect("session", strings.TrimSpace(string(session.body)), `{"authenticated":false}`),
		s.passes(ctx, s.people.alicePhone),
	)
}
