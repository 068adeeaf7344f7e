package signals_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/signals"
	"curfew.dev/curfew/token"
	"curfew.dev/curfew/token/tokentest"
)

const issuerURL = "https://login.example.com"

// receiver is a back-channel whose cuts and counts are kept.
type receiver struct {
	signals.BackchannelLogout
	issuer  *tokentest.Issuer
	now     time.Time
	cuts    []revocation.Draft
	fails   error // of Submit
	results []string
	logged  strings.Builder
}

func newReceiver(tb testing.TB) *receiver {
	tb.Helper()
	r := &receiver{issuer: tokentest.New(tb, issuerURL), now: time.Now()}
	keys := token.NewKeySet(issuerURL, token.KeySetOptions{Transport: r.issuer.Transport()})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { keys.Run(ctx) })
	tb.Cleanup(func() { cancel(); running.Wait() })
	keys.Await(ctx)
	conf := token.Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{"api"}}
	v, err := token.NewVerifier(token.VerifierConfig{Issuers: []token.IssuerKeys{{Issuer: conf, Keys: keys}}})
	if err != nil {
		tb.Fatal(err)
	}
	r.BackchannelLogout = signals.BackchannelLogout{
		Receivers: []signals.Receiver{{Name: "staff", Issuer: issuerURL, Client: "web"}, {Name: "elsewhere", Issuer: "https://other.example.com", Client: "theirs"}},
		Open:      v.Open, Now: func() time.Time { return r.now },
		Submit: func(_ context.Context, d *revocation.Draft) error {
			if r.fails == nil {
				r.cuts = append(r.cuts, *d)
			}
			return r.fails
		},
		Log:     slog.New(slog.NewTextHandler(&r.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observe: func(to, result string) { r.results = append(r.results, to+" "+result) },
	}
	return r
}

// token is a logout token of the issuer for the client web.
func (r *receiver) token(tb testing.TB, jti string, change tokentest.Claims) string {
	tb.Helper()
	all := tokentest.Claims{
		"iss": issuerURL, "aud": "web", "iat": r.now.Unix(), "exp": r.now.Unix() + 120, "jti": jti,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	maps.Copy(all, change)
	payload, err := json.Marshal(all)
	if err != nil {
		tb.Fatal(err)
	}
	return r.issuer.Key().Sign(tb, payload, map[string]any{"typ": "logout+jwt"})
}

func (r *receiver) post(body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	q := httptest.NewRequest(http.MethodPost, "/.curfew/backchannel-logout", strings.NewReader(body))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.ServeHTTP(w, q)
	return w
}

func (r *receiver) send(token string) *httptest.ResponseRecorder {
	return r.post(url.Values{"logout_token": {token}, "other": {"ignored"}}.Encode())
}

func TestALogoutIsACutOfWhatItNames(t *testing.T) {
	r := newReceiver(t)
	for _, c := range []struct {
		name   string
		claims tokentest.Claims
		want   revocation.Target
	}{
		{"a session", tokentest.Claims{"sid": "s"}, revocation.Target{Issuer: issuerURL, Session: "s"}},
		{"a session of a person", tokentest.Claims{"sid": "s", "sub": "alice"}, revocation.Target{Issuer: issuerURL, Session: "s"}},
		{"a person", tokentest.Claims{"sub": "alice"}, revocation.Target{Issuer: issuerURL, Subject: "alice"}},
	} {
		r.cuts = nil
		at := r.now.Add(-time.Minute).Truncate(time.Second)
		c.claims["iat"] = at.Unix()
		if w := r.send(r.token(t, c.name, c.claims)); w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if len(r.cuts) != 1 || r.cuts[0].Target != c.want || r.cuts[0].Type != revocation.Cut || !r.cuts[0].At.Equal(at) ||
			r.cuts[0].Source != signals.SourceBackchannelLogout || r.cuts[0].Actor != "staff" {
			t.Errorf("%s: %+v", c.name, r.cuts)
		}
	}
}

// A provider is told to try again what could not be kept, and may repeat what was.
func TestALogoutThatCantBeKeptIsSentAgain(t *testing.T) {
	r := newReceiver(t)
	token := r.token(t, "1", tokentest.Claims{"sid": "s"})
	r.fails = errors.New("no disk")
	if w := r.send(token); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("it can't be kept: %d %v", w.Code, w.Header())
	}
	if !strings.Contains(r.logged.String(), "ERROR") {
		t.Errorf("the log does not say so: %s", &r.logged)
	}
	r.fails = nil
	for range 3 {
		if w := r.send(token); w.Code != http.StatusOK {
			t.Errorf("again: %d %s", w.Code, w.Body)
		}
	}
	if len(r.cuts) != 1 {
		t.Errorf("%d cuts", len(r.cuts))
	}
	want := []string{"staff failed", "staff accepted", "staff repeated", "staff repeated"}
	if !slices.Equal(r.results, want) {
		t.Errorf("counted %q, want %q", r.results, want)
	}
	r.now = r.now.Add(token5m)
	if w := r.send(token); w.Code != http.StatusBadRequest {
		t.Errorf("an old one: %d", w.Code)
	}
}

const token5m = token.MaxLogoutAge + time.Minute

// An issuer whose keys are not there yet may be right.
func TestALogoutBeforeTheKeysAreFetchedIsSentAgain(t *testing.T) {
	r := newReceiver(t)
	logout := r.token(t, "1", tokentest.Claims{"sid": "s"})
	r.Open = func(context.Context, string, time.Time) (*token.Opened, error) {
		return nil, &token.Error{Kind: token.NotReady}
	}
	if w := r.send(logout); w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if want := []string{"unknown failed"}; !slices.Equal(r.results, want) {
		t.Errorf("counted %q", r.results)
	}
	if strings.Contains(r.logged.String(), "ERROR") {
		t.Errorf("a stranger has the log grow: %s", &r.logged)
	}
}

// FuzzForm: no body does more than the token in it may, and none is shown to anybody.
func FuzzForm(f *testing.F) {
	r := newReceiver(f)
	good := r.token(f, "1", tokentest.Claims{"sid": "s"})
	for _, body := range []string{
		"", "logout_token=", "logout_token=" + good, "logout_token=" + good + "&logout_token=" + good, "logout_token=%ZZ", "a;b",
		"logout_token=" + good[:len(good)-1], "logout_token=" + r.token(f, "2", tokentest.Claims{"sub": "alice", "nonce": ""}),
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r.cuts, r.results = nil, nil
		r.logged.Reset()
		w := r.post(body)
		values, err := url.ParseQuery(body)
		valid := err == nil && len(values["logout_token"]) == 1 && values.Get("logout_token") == good
		switch {
		case w.Code == http.StatusOK && !valid:
			t.Fatalf("%q is accepted", body)
		case w.Code != http.StatusOK && (w.Code != http.StatusBadRequest || valid || len(r.cuts) > 0):
			t.Fatalf("%q: %d, %d cuts", body, w.Code, len(r.cuts))
		case len(r.results) != 1 || w.Header().Get("Cache-Control") != "no-store":
			t.Fatalf("%q: %q %v", body, r.results, w.Header())
		}
		for _, part := range strings.Split(values.Get("logout_token"), ".") {
			if len(part) > 40 && strings.Contains(w.Body.String()+r.logged.String(), part) {
				t.Fatalf("a part of %q is shown", body)
			}
		}
	})
}
