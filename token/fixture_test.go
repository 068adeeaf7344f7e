package token

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

// Ristretto's goroutines end with their cache, which the garbage collector
// does when it gets there; TestCacheEndsWithItsLastUser checks that it does.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(
		goleak.IgnoreTopFunction("github.com/dgraph-io/ristretto/v2.(*Cache[...]).processItems"),
		goleak.IgnoreTopFunction("github.com/dgraph-io/ristretto/v2.(*defaultPolicy[...]).processItems"),
	); err != nil {
		println(err.Error())
		code = max(code, 1)
	}
	os.Exit(code)
}

const (
	issuerURL = "https://login.example.com"
	api       = "https://api.example.com"
)

// start is 2026-11-20T10:00:00.5Z.
var start = time.Unix(1795168800, 5e8)

// staticKeys is a key set as if just fetched from the provider.
func staticKeys(tb testing.TB, i *tokentest.Issuer, at time.Time) *KeySet {
	tb.Helper()
	s := NewKeySet(i.URL, KeySetOptions{Transport: i.Transport()})
	ring, err := s.fetcher.fetch(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	s.ring.Store(s.ring.Load().renew(ring, at))
	s.success.Store(at.UnixNano())
	s.stopped = true // nobody runs it: don't wait for a fetch
	return s
}

func newTestVerifier(tb testing.TB, c VerifierConfig) *Verifier {
	tb.Helper()
	v, err := NewVerifier(c)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// fixture is one provider and a verifier that trusts it.
type fixture struct {
	*tokentest.Issuer
	v *Verifier
}

func newFixture(tb testing.TB, change ...func(*Issuer)) fixture {
	tb.Helper()
	i := tokentest.New(tb, issuerURL)
	conf := Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}, Clients: []string{"web", "mobile"}}
	for _, f := range change {
		f(&conf)
	}
	return fixture{i, newTestVerifier(tb, VerifierConfig{
		Issuers: []IssuerKeys{{conf, staticKeys(tb, i, start)}},
		Claims:  []string{"roles"},
	})}
}

func (f fixture) verify(raw string) (*Token, error) {
	t, _, err := f.v.Verify(context.Background(), raw, start)
	return t, err
}

// wantKind fails unless err is an *Error of that kind.
func wantKind(tb testing.TB, err error, kind Kind) *Error {
	tb.Helper()
	var e *Error
	if !errors.As(err, &e) {
		tb.Fatalf("got error %v, want a %v *Error", err, kind)
	}
	if e.Kind != kind {
		tb.Fatalf("got %v, want kind %v", e, kind)
	}
	return e
}
