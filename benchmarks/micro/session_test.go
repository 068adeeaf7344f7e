package micro

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/login"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

const (
	appHost       = "app.example.com"
	sessionCookie = "__Host-curfew"
)

// signIn signs alice in at a site and returns the cookie of her session. The
// provider answers with a sid, acr and amr.
func signIn(b testing.TB, site http.Handler, issuer *tokentest.Issuer, now time.Time) string {
	b.Helper()
	var asked url.Values
	issuer.Fail(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		var answer any
		switch r.URL.Path {
		case "/jwks":
			answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{issuer.Key().Public()}}
		case "/token":
			c := tokentest.Claims{
				"iss": issuer.URL, "aud": "curfew-web", "sub": "alice", "iat": now.Unix(), "exp": now.Unix() + 300, "auth_time": now.Unix(),
				"nonce": asked.Get("nonce"), "sid": "sid-alice", "acr": "mfa", "amr": []string{"pwd", "otp"},
			}
			payload, _ := json.Marshal(c)
			answer = map[string]any{
				"access_token": "access", "token_type": "Bearer", "scope": "openid read",
				"id_token": issuer.Key().Sign(b, payload, map[string]any{"typ": "JWT"}),
			}
		default:
			answer = map[string]any{
				"issuer": issuer.URL, "jwks_uri": issuer.URL + "/jwks", "authorization_endpoint": issuer.URL + "/authorize", "token_endpoint": issuer.URL + "/token",
			}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	cookies := make(map[string]string)
	visit := func(path string) *url.URL {
		b.Helper()
		r := browserRequest(path, cookies)
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			cookies[c.Name] = c.Value
		}
		to, err := url.Parse(w.Header().Get("Location"))
		if err != nil || w.Code != http.StatusSeeOther {
			b.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return to
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		r := browserRequest("/orders/17", nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		if site.ServeHTTP(w, r); w.Code == http.StatusSeeOther {
			break // the provider's metadata are there
		}
	}
	asked = visit("/orders/17").Query()
	callback := url.Values{"code": {"code"}, "state": {asked.Get("state")}}
	to := visit("/.curfew/callback/staff?" + callback.Encode())
	if strings.HasPrefix(to.Path, "/.curfew/finish") {
		visit(to.RequestURI())
	}
	if cookies[sessionCookie] == "" {
		b.Fatal("no session was made")
	}
	return cookies[sessionCookie]
}

// browserRequest is a request of a browser over https.
func browserRequest(path string, cookies map[string]string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host, r.TLS = appHost, &tls.ConnectionState{HandshakeComplete: true}
	r.Header = http.Header{"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "User-Agent": {"benchmark/1"}, "Accept-Language": {"en"}}
	var pairs []string
	for name, value := range cookies {
		pairs = append(pairs, name+"="+value)
	}
	if len(pairs) > 0 {
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
	return r
}

// signIns adds browser sign-in to a desk.
func (d *desk) signIns(b testing.TB, keys seal.Keys, cacheBytes int64) *login.SignIns {
	b.Helper()
	all, err := login.New(login.Deps{
		Keys: func() seal.Keys { return keys }, OpenToken: d.verifier.Open, Find: d.index.Find, Ready: func(time.Time) bool { return true },
		Submit: func(context.Context, *revocation.Draft) error { return nil }, Secure: func(r *http.Request) bool { return r.TLS != nil },
		Pages: noPages{}, Now: time.Now, CacheBytes: cacheBytes,
	}, login.Config{
		Name: "staff", ClientID: "curfew-web", Client: outbound.New(issuerURL, outbound.Options{Transport: d.issuer.Transport()}),
		Issuer: &revocation.Issuer{URL: issuerURL, ClockSkew: 2 * time.Second, Retention: 90 * 24 * time.Hour},
	})
	if err == nil {
		err = all.Named("staff").AddOrigin("https://" + appHost)
	}
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// noPages shows no page.
type noPages struct{}

func (noPages) Write(w http.ResponseWriter, _ *http.Request, p *login.Page) {
	w.WriteHeader(p.Status)
	_, _ = fmt.Fprint(w, p.Kind)
}

// decideSession is [desk.decide] for a session.
func (d *desk) decideSession(all *login.SignIns, r *http.Request, c *policy.Case) (hit bool, err error) {
	now := time.Now()
	cookie, two := login.Read(r.Header, login.CookiesOf(true).Session)
	s, hit, problem := all.Session(cookie, two, r, true, now)
	if s == nil {
		return hit, fmt.Errorf("the session is %s", problem)
	}
	*c = policy.Case{Credential: &s.Credential, Requirements: &d.required, Issuer: d.rules, Now: now.Unix()}
	if generation := d.index.Generation() + 1; s.Clean.Load() != generation {
		if d.index.Find(c.Credential, &c.Finding); c.Finding.Clear() {
			s.Clean.Store(generation)
		}
	}
	if v := c.Decide(); !v.Admits() {
		return hit, fmt.Errorf("refused: %s", v.Reason)
	}
	return hit, nil
}

// newSession returns a desk, the sign-ins of a gateway that remembers sessions and of
// one that remembers none, and a request of a browser with a session.
func newSession(b testing.TB, entries int) (d *desk, all, forgetful *login.SignIns, r *http.Request) {
	b.Helper()
	d = newDesk(b, entries, 0)
	keys := seal.Keys{seal.RandomKey()}
	all, forgetful = d.signIns(b, keys, 0), d.signIns(b, keys, 1)
	site := all.NewSite(all.Named("staff"))
	cookie := signIn(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if login.Serves(r) {
			site.ServeHTTP(w, r)
		} else if !site.Begin(w, r, login.Demand{}, all.Named("staff")) {
			b.Error("no sign-in begins")
		}
	}), d.issuer, d.now)
	return d, all, forgetful, browserRequest("/orders/17", map[string]string{sessionCookie: cookie})
}

// warmSession decides until the session is remembered.
func (d *desk) warmSession(b testing.TB, all *login.SignIns, r *http.Request) {
	b.Helper()
	var c policy.Case
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if hit, err := d.decideSession(all, r, &c); err != nil {
			b.Fatal(err)
		} else if hit {
			return
		}
	}
	b.Fatal("the session is not remembered")
}

func TestHotDecisionOnASessionDoesNotAllocate(t *testing.T) {
	d, all, _, r := newSession(t, 1000)
	d.warmSession(t, all, r)
	var c policy.Case
	if n := allocations(func() {
		if _, err := d.decideSession(all, r, &c); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("a hot decision on a session takes %v allocations, want none", n)
	}
}

// BenchmarkDecisionSession is BenchmarkDecision with a browser session. In cold, the
// session is opened each time.
func BenchmarkDecisionSession(b *testing.B) {
	d, all, forgetful, r := newSession(b, sizes()[1])
	d.warmSession(b, all, r)
	b.Run("hot", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			var c policy.Case
			for pb.Next() {
				if _, err := d.decideSession(all, r, &c); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		var c policy.Case
		for b.Loop() {
			if hit, err := d.decideSession(forgetful, r, &c); hit || err != nil {
				b.Fatal(hit, err)
			}
		}
	})
}

// BenchmarkGuardSession is BenchmarkGuard where browsers sign in: a request with a
// session, and one with a token at the same gateway.
func BenchmarkGuardSession(b *testing.B) {
	g := newSignInGateway(b)
	cookie := signIn(b, g.servers["session"], g.issuer, g.now)
	for name, v := range map[string]func() *visitor{
		"session": func() *visitor { return g.browser(cookie) },
		"token":   func() *visitor { return g.visitor("token", g.token("alice")) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				v := v()
				for pb.Next() {
					if err := v.visit(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// browser is a visitor with a session.
func (g *gateway) browser(cookie string) *visitor {
	r := browserRequest("/orders/17", map[string]string{sessionCookie: cookie})
	return &visitor{server: g.servers["session"], r: r, header: maps.Clone(r.Header), w: answer{header: make(http.Header)}}
}

func TestASessionAllocatesNoMoreThanAToken(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	g := newSignInGateway(t)
	cookie := signIn(t, g.servers["session"], g.issuer, g.now)
	count := func(v *visitor) float64 {
		return allocations(func() {
			clear(v.w.header)
			if err := v.visit(); err != nil {
				t.Error(err)
			}
		})
	}
	session, token := count(g.browser(cookie)), count(g.visitor("token", g.token("alice")))
	if session > token+3 {
		t.Errorf("a request with a session takes %v allocations, one with a token %v", session, token)
	}
	t.Logf("session %v, token %v", session, token)
}
