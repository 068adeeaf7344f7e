package caddymodule_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

const formType = "application/x-www-form-urlencoded"

// logoutToken is a logout token of the provider for the client curfew-web.
func (s *signIns) logoutToken(c tokentest.Claims) string {
	now := time.Now().Unix()
	all := tokentest.Claims{
		"iss": s.issuer.URL, "aud": "curfew-web", "iat": now, "exp": now + 120, "jti": rand.Text(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	maps.Copy(all, c)
	payload, err := json.Marshal(all)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.issuer.Key().Sign(s.t, payload, map[string]any{"typ": "logout+jwt"})
}

// tell posts a body to the back-channel of a host, as a provider does: without
// cookies, from nowhere.
func (s *signIns) tell(host, contentType, body string) answer {
	s.t.Helper()
	b := s.browser("nobody")
	return b.ask(http.MethodPost, s.site(host)+"/.curfew/backchannel-logout", body, "Content-Type", contentType)
}

func (s *signIns) logout(t *testing.T, host string, c tokentest.Claims) {
	t.Helper()
	a := s.tell(host, formType, url.Values{"logout_token": {s.logoutToken(c)}}.Encode())
	if a.StatusCode != 200 || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the logout token gets %d %q %s", a.StatusCode, a.Header.Get("Cache-Control"), a.body)
	}
}

// R11: who signs out at the provider is signed out here, of the session or of all,
// and by nothing that is not a logout token.
func TestR11WhoSignsOutAtTheProviderIsSignedOutHere(t *testing.T) {
	s := startSignIns(t)
	mine, theirs := s.browser("alice"), s.browser("bob")
	mine.signIn("app")
	theirs.signIn("app")
	form := func(token string) string { return url.Values{"logout_token": {token}}.Encode() }
	good := s.logoutToken(tokentest.Claims{"sid": "sid-alice"})
	for name, c := range map[string]struct{ host, contentType, body string }{
		"no token":                   {"app", formType, ""},
		"an empty token":             {"app", formType, "logout_token="},
		"two tokens":                 {"app", formType, form(good) + "&" + form(good)},
		"JSON":                       {"app", "application/json", `{"logout_token":"` + good + `"}`},
		"no content type":            {"app", "", form(good)},
		"a large body":               {"app", formType, "x=" + strings.Repeat("a", 1<<20) + "&" + form(good)},
		"an access token":            {"app", formType, form(s.token("alice"))},
		"another client":             {"app", formType, form(s.logoutToken(tokentest.Claims{"sid": "sid-alice", "aud": "curfew-shop"}))},
		"a forged one":               {"app", formType, form(good[:len(good)-8] + "AAAAAAAA")},
		"somebody's sub as a number": {"app", formType, form(s.logoutToken(tokentest.Claims{"sub": 5}))},
		"nobody":                     {"app", formType, form(s.logoutToken(nil))},
		"with a nonce":               {"app", formType, form(s.logoutToken(tokentest.Claims{"sid": "sid-alice", "nonce": ""}))},
		"of yesterday":               {"app", formType, form(s.logoutToken(tokentest.Claims{"sid": "sid-alice", "iat": time.Now().Unix() - 86400}))},
	} {
		a := s.tell(c.host, c.contentType, c.body)
		var problem struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal([]byte(a.body), &problem); err != nil || a.StatusCode != 400 || problem.Error != "invalid_request" || problem.Description == "" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		if a.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: %v", name, a.Header)
		}
	}
	if a := s.browser("nobody").ask(http.MethodGet, s.site("app")+"/.curfew/backchannel-logout?"+form(good), ""); a.StatusCode != 405 {
		t.Errorf("GET: %d", a.StatusCode)
	}
	if got := mine.status("app"); got != 200 {
		t.Fatalf("alice gets %d before she signed out", got)
	}
	first := s.tell("app", formType, form(good))
	again := s.tell("app", formType, form(good))
	if first.StatusCode != 200 || again.StatusCode != 200 {
		t.Errorf("a logout token gets %d, and again %d", first.StatusCode, again.StatusCode)
	}
	if got := mine.status("app"); got != 401 {
		t.Errorf("alice gets %d after she signed out at the provider", got)
	}
	if got := theirs.status("app"); got != 200 {
		t.Errorf("bob gets %d", got)
	}
	s.logout(t, "shop", tokentest.Claims{"sub": "bob", "aud": "curfew-shop"})
	if got := theirs.status("app"); got != 401 {
		t.Errorf("bob gets %d after all of his sessions ended", got)
	}
	for line, want := range map[string]float64{
		`curfew_signals_total{event="backchannel_logout",result="accepted",sender="staff"}`:     1,
		`curfew_signals_total{event="backchannel_logout",result="repeated",sender="staff"}`:     1,
		`curfew_signals_total{event="backchannel_logout",result="accepted",sender="customers"}`: 1,
		`curfew_signals_total{event="backchannel_logout",result="refused",sender="unknown"}`:    13,
	} {
		if got := s.metric(line); got != want {
			t.Errorf("%s is %v, want %v", line, got, want)
		}
	}
}

// A logout token that comes again, to a node that has forgotten it, does not hit who
// has signed in since.
func TestALogoutTokenThatComesAgainHitsNobodyElse(t *testing.T) {
	s := startSignIns(t)
	b := s.browser("alice")
	token := s.logoutToken(tokentest.Claims{"sub": "alice", "iat": time.Now().Unix() - 30})
	for range 2 {
		b.signIn("app")
		if a := s.tell("app", formType, url.Values{"logout_token": {token}}.Encode()); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if got := b.status("app"); got != 200 {
			t.Errorf("who signed in after the logout gets %d", got)
		}
		s.stop()
		s.loadSignIns()
		s.awaitReady()
	}
}

// R11: when a provider is told that a sign-out is kept, another node has it in force
// too, or has it as soon as it hears of it.
func TestR11ASignOutAtTheProviderIsInForceOnEveryNode(t *testing.T) {
	s := prepareSignIns(t)
	servers := natstest.Run(t, 1)
	key := filepath.Join(t.TempDir(), "key")
	writeFile(t, key, []byte(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", seal.KeySize)))))
	s.loadSignIns("ledger local DIR", "ledger nats "+strings.Join(servers.URLs(), " ")+" {\n stream TEST\n replicas 1\n}\nsealing_key "+key)
	s.awaitReady()
	other := join(t, servers, "edge-2")
	at := func(sub, sid string) revocation.Credential {
		c := revocation.Credential{Issuer: s.issuer.URL, Subject: sub, Session: sid, AuthTime: 1, IssuedAt: 1}
		c.Seal()
		return c
	}
	isCut := func(c revocation.Credential) bool {
		var f revocation.Finding
		other.Index().Find(&c, &f)
		return f.SignIn.Through > 0
	}
	for _, c := range []struct {
		name      string
		claims    tokentest.Claims
		hit, pass revocation.Credential
	}{
		{"a session", tokentest.Claims{"sid": "sid-alice", "sub": "alice"}, at("alice", "sid-alice"), at("alice", "another")},
		{"a person", tokentest.Claims{"sub": "bob"}, at("bob", "any"), at("carol", "any")},
	} {
		s.logout(t, "app", c.claims)
		eventually(t, c.name+" is signed out at the other node", func() bool { return isCut(c.hit) })
		if isCut(c.pass) {
			t.Errorf("%s: the other node refuses somebody else", c.name)
		}
	}
}
