package devidp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"curfew.dev/curfew/internal/devidp"
)

func TestNewRefuses(t *testing.T) {
	client := devidp.Client{ID: "web", RedirectURIs: []string{redirectURI}, Audience: audience}
	user := devidp.User{Subject: "alice", Password: "wonder"}
	withURI := func(uri string) devidp.Client {
		return devidp.Client{ID: "web", RedirectURIs: []string{uri}, Audience: audience}
	}
	issuer := func(s string) func(*devidp.Config) { return func(c *devidp.Config) { c.Issuer = s } }
	redirect := func(s string) func(*devidp.Config) {
		return func(c *devidp.Config) { c.Clients = []devidp.Client{withURI(s)} }
	}
	for name, edit := range map[string]func(*devidp.Config){
		"public address":       issuer("http://203.0.113.1:9000"),
		"every address":        issuer("http://0.0.0.0:9000"),
		"private address":      issuer("http://192.168.0.1:9000"),
		"name":                 issuer("http://login.example.com:9000"),
		"localhost":            issuer("http://localhost:9000"),
		"loopback look-alike":  issuer("http://127.0.0.1.example.com:9000"),
		"user info":            issuer("http://127.0.0.1:9000@203.0.113.1:9000"),
		"https":                issuer("https://127.0.0.1:9000"),
		"no port":              issuer("http://127.0.0.1"),
		"trailing slash":       issuer("http://127.0.0.1:9000/"),
		"query":                issuer("http://127.0.0.1:9000?a=b"),
		"no issuer":            issuer(""),
		"redirect elsewhere":   redirect("https://app.example.com/callback"),
		"redirect look-alike":  redirect("http://localhost.example.com/"),
		"redirect fragment":    redirect("http://127.0.0.1:8080/#x"),
		"redirect private app": redirect("app:/callback"),
		"no clients":           func(c *devidp.Config) { c.Clients = nil },
		"client twice":         func(c *devidp.Config) { c.Clients = append(c.Clients, client) },
		"no audience":          func(c *devidp.Config) { c.Clients[0].Audience = "" },
		"no users":             func(c *devidp.Config) { c.Users = nil },
		"user twice":           func(c *devidp.Config) { c.Users = append(c.Users, user) },
		"no password":          func(c *devidp.Config) { c.Users[0].Password = "" },
		"symmetric algorithm":  func(c *devidp.Config) { c.Algorithm = jose.HS256 },
		"lifetime of half":     func(c *devidp.Config) { c.AccessTokenLifetime = time.Second / 2 },
		"lifetime below zero":  func(c *devidp.Config) { c.AccessTokenLifetime = -time.Second },
		"state in no folder":   func(c *devidp.Config) { c.StateFile = filepath.Join(t.TempDir(), "no", "state") },
	} {
		t.Run(name, func(t *testing.T) {
			config := devidp.Config{Issuer: "http://127.0.0.1:9000", Clients: []devidp.Client{client}, Users: []devidp.User{user}}
			if _, err := devidp.New(config); err != nil {
				t.Fatalf("the config before the edit is refused: %v", err)
			}
			edit(&config)
			if _, err := devidp.New(config); err == nil {
				t.Error("not refused")
			}
		})
	}
}

func TestServesLoopbackOnly(t *testing.T) {
	s := start(t, devidp.Config{})
	for name, c := range map[string]struct {
		peer, host string
		want       int
	}{
		"own machine":    {"127.0.0.1:4711", s.issuer[7:], http.StatusOK},
		"IPv6":           {"[::1]:4711", s.issuer[7:], http.StatusOK},
		"mapped":         {"[::ffff:127.0.0.1]:4711", s.issuer[7:], http.StatusOK},
		"elsewhere":      {"192.0.2.1:4711", s.issuer[7:], http.StatusForbidden},
		"no address":     {"@", s.issuer[7:], http.StatusForbidden},
		"rebound name":   {"127.0.0.1:4711", "evil.example:80", http.StatusMisdirectedRequest},
		"other port":     {"127.0.0.1:4711", "127.0.0.1:1", http.StatusMisdirectedRequest},
		"other loopback": {"127.0.0.1:4711", "localhost", http.StatusMisdirectedRequest},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/keys", nil)
			r.RemoteAddr, r.Host = c.peer, c.host
			w := httptest.NewRecorder()
			s.provider.Handler().ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("status %d, want %d", w.Code, c.want)
			}
		})
	}
	if _, err := devidp.SignIn(t.Context(), s.browser, devidp.SignInRequest{Issuer: "http://192.0.2.1:80"}); err == nil {
		t.Error("a password would have been sent elsewhere")
	}
}

// foreign is a listener with an address that is not loopback.
type foreign struct {
	net.Listener
	closed bool
}

func (f *foreign) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 9000} }
func (f *foreign) Close() error   { f.closed = true; return nil }

func TestServeRefusesForeignListener(t *testing.T) {
	s := start(t, devidp.Config{})
	l := &foreign{}
	if err := s.provider.Serve(context.Background(), l); err == nil || !l.closed {
		t.Errorf("error %v, closed %v", err, l.closed)
	}
}

func TestDiscovery(t *testing.T) {
	s := start(t, devidp.Config{})
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		response, err := s.browser.Get(s.issuer + path)
		if err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		for member, want := range map[string]string{
			"issuer":                           s.issuer,
			"jwks_uri":                         s.issuer + "/keys",
			"code_challenge_methods_supported": "[S256]",
			"acr_values_supported":             "[mfa urn:curfew:pwd]",
			"request_uri_parameter_supported":  "false",
			"authorization_response_iss_parameter_supported": "true",
			"id_token_signing_alg_values_supported":          "[ES256]",
		} {
			if got := fmt.Sprint(document[member]); got != want {
				t.Errorf("%s: %s is %s, want %s", path, member, got, want)
			}
		}
	}
}

func TestKeySetIsPublic(t *testing.T) {
	for _, algorithm := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA} {
		s := start(t, devidp.Config{Algorithm: algorithm})
		response, err := s.browser.Get(s.issuer + "/keys")
		if err != nil {
			t.Fatal(err)
		}
		var set struct{ Keys []map[string]any }
		if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if len(set.Keys) != 1 || set.Keys[0]["kid"] == nil || set.Keys[0]["alg"] != string(algorithm) {
			t.Fatalf("%s: %d keys, or no kid or alg", algorithm, len(set.Keys))
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, leaks := set.Keys[0][private]; leaks {
				t.Errorf("%s: the key set holds %q", algorithm, private)
			}
		}
	}
}

func TestRotate(t *testing.T) {
	s := start(t, devidp.Config{})
	token := func() string { s.Helper(); return s.signIn(s.request(nil)).AccessToken }
	rotate := func(overlap time.Duration) {
		t.Helper()
		if err := s.provider.Rotate(overlap); err != nil {
			t.Fatal(err)
		}
	}
	first := token()
	rotate(time.Minute)
	second := token()
	if headerOf(t, first)["kid"] == headerOf(t, second)["kid"] {
		t.Fatal("the key that signs stayed the same")
	}
	s.verify(first, audience)
	s.verify(second, audience)

	s.clock.advance(59 * time.Second)
	s.verify(first, audience)
	s.clock.advance(time.Second)
	if _, err := s.tryVerify(first, audience); err == nil {
		t.Error("a retired key is still published")
	}
	rotate(0)
	if _, err := s.tryVerify(second, audience); err == nil {
		t.Error("a key that was withdrawn is still published")
	}
	s.verify(token(), audience)
}

func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devidp.json")
	s := start(t, devidp.Config{StateFile: path})
	tokens := s.signIn(s.request(nil))
	before := s.verify(tokens.AccessToken, audience)
	s.stop()

	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("state file: %v, %v", info.Mode(), err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{tokens.RefreshToken, tokens.AccessToken, s.cookie().Value, "wonder"} {
		if strings.Contains(string(b), secret) {
			t.Error("the state file holds a token, a cookie or a password")
		}
	}

	again := start(t, devidp.Config{StateFile: path, Issuer: s.issuer})
	again.browser.Jar = s.browser.Jar
	again.clock.advance(time.Minute)
	if after := again.verify(tokens.AccessToken, audience); after.TokenID != before.TokenID {
		t.Error("the token before the restart reads differently")
	}
	quiet := again.verify(again.signIn(again.request(url.Values{"prompt": {"none"}})).AccessToken, audience)
	refreshed := again.verify(again.refresh(tokens.RefreshToken).AccessToken, audience)
	for _, after := range []claims{quiet, refreshed} {
		if after.SID != before.SID || after.AuthTime != before.AuthTime {
			t.Errorf("the session changed over the restart: %+v", after)
		}
	}
	again.stop()

	for name, damaged := range map[string]string{
		"empty": "", "cut short": string(b[:len(b)/2]), "no key": `{"issuer":"` + s.issuer + `","keys":[{}]}`,
		"other issuer": strings.ReplaceAll(string(b), s.issuer, "http://127.0.0.1:1"),
	} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := devidp.New(devidp.Config{
			Issuer: s.issuer, StateFile: path,
			Clients: []devidp.Client{{ID: "web", RedirectURIs: []string{redirectURI}, Audience: audience}},
			Users:   []devidp.User{{Subject: "alice", Password: "wonder"}},
		})
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error is %v, want one that names the file", name, err)
		}
	}
}

// A token is not issued if the state can't be saved.
func TestStateThatCannotBeSaved(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	s := start(t, devidp.Config{StateFile: filepath.Join(folder, "devidp.json")})
	token := s.signIn(s.request(nil)).RefreshToken
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	_, err := devidp.Refresh(t.Context(), s.browser, s.issuer, "web", token)
	wantCode(t, err, "server_error")
	if response, _ := s.post("/sign-in?"+s.query().Encode(), url.Values{"user": {"alice"}, "password": {"wonder"}}); response.StatusCode != 500 {
		t.Errorf("a sign-in that can't be saved got %d", response.StatusCode)
	}
}

func TestRemovedUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devidp.json")
	s := start(t, devidp.Config{StateFile: path})
	tokens := s.signIn(s.request(nil))
	s.stop()
	again := start(t, devidp.Config{StateFile: path, Issuer: s.issuer, Users: []devidp.User{{Subject: "bob", Password: "builder"}}})
	again.browser.Jar = s.browser.Jar
	_, err := devidp.Refresh(t.Context(), again.browser, again.issuer, "web", tokens.RefreshToken)
	wantCode(t, err, "invalid_grant")
	_, err = devidp.SignIn(t.Context(), again.browser, again.request(url.Values{"prompt": {"none"}}))
	wantCode(t, err, "login_required")
}

func TestPage(t *testing.T) {
	s := start(t, devidp.Config{})
	query := s.query()
	query.Set("login_hint", `"><script>alert(1)</script>`)
	response, err := s.browser.Get(s.issuer + "/authorize?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`<html lang="en">`, `<label for="user">`, `<label for="password">`, `<label for="code">`, `<label for="device">`,
		`autocomplete="current-password"`, `action="/sign-in?`,
	} {
		if !strings.Contains(string(body), part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	if strings.Contains(string(body), "<script") {
		t.Error("the page has a script")
	}
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.HasSuffix(policy, "form-action 'self' http://127.0.0.1:8080") {
		t.Errorf("Content-Security-Policy is %q", policy)
	}
	if style := s.get("/style.css"); style.StatusCode != http.StatusOK || !strings.HasPrefix(style.Header.Get("Content-Type"), "text/css") {
		t.Errorf("the style sheet got %d, %q", style.StatusCode, style.Header.Get("Content-Type"))
	}
}

func TestForeignPageCannotSignIn(t *testing.T) {
	s := start(t, devidp.Config{})
	form := url.Values{"user": {"alice"}, "password": {"wonder"}}
	r, err := http.NewRequest(http.MethodPost, s.issuer+"/sign-in?"+s.query().Encode(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	response, err := s.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden || len(response.Cookies()) != 0 {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestAuthorizationByPost(t *testing.T) {
	s := start(t, devidp.Config{})
	s.signIn(s.request(nil))
	response, _ := s.post("/authorize", s.query())
	if location, err := response.Location(); err != nil || location.Query().Get("code") == "" {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestLargeBody(t *testing.T) {
	s := start(t, devidp.Config{})
	response, _ := s.post("/token", url.Values{"code": {strings.Repeat("x", 65<<10)}})
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", response.StatusCode)
	}
}

// If many callers redeem the same refresh token at once, at most one gets
// tokens.
func TestRefreshRace(t *testing.T) {
	s := start(t, devidp.Config{})
	token := s.signIn(s.request(nil)).RefreshToken
	var group sync.WaitGroup
	won := make(chan devidp.Tokens, 8)
	for range cap(won) {
		group.Go(func() {
			if tokens, err := devidp.Refresh(t.Context(), s.browser, s.issuer, "web", token); err == nil {
				won <- tokens
			}
		})
	}
	group.Wait()
	if len(won) != 1 {
		t.Errorf("%d won", len(won))
	}
}

func TestTokensAreNotPrinted(t *testing.T) {
	tokens := devidp.Tokens{AccessToken: "secret", RefreshToken: "secret", IDToken: "secret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if strings.Contains(fmt.Sprintf(verb, tokens), "secret") {
			t.Errorf("%s prints tokens", verb)
		}
	}
}
