//go:build e2e

package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// What provider/users.mjs knows of everybody.
const (
	password = "correct horse battery staple"
	code     = "314159"
)

// browser is one browser, or one phone, of one person: a cookie jar that signs
// in by filling in the provider's page.
type browser struct {
	provider *provider
	client   *http.Client
	user     string
	device   string
}

func newBrowser(t *testing.T, p *provider, user, device string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	stay := func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != p.address() {
			return http.ErrUseLastResponse // the app's own address: the code has come
		}
		return nil
	}
	return &browser{p, &http.Client{Jar: jar, CheckRedirect: stay}, user, device}
}

// session is what an app holds after a sign-in.
type session struct {
	granted
	browser *browser
	app     string // client_id
}

// signIn plays the authorization-code flow with PKCE (RFC 7636) for one app. A
// browser that is signed in isn't asked again, unless the parameters demand it.
func (b *browser) signIn(t *testing.T, app string, parameters ...string) *session {
	t.Helper()
	verifier := random()
	challenge := sha256.Sum256([]byte(verifier))
	redirect := "https://" + app + ".example.test/callback"
	query := url.Values{
		"client_id": {app}, "response_type": {"code"}, "redirect_uri": {redirect},
		"scope": {"openid billing:write"}, "state": {random()}, "nonce": {random()},
		"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		query.Set(name, value)
	}
	resp := b.do(t, newRequest(t, http.MethodGet, b.provider.Issuer+"/auth?"+query.Encode(), nil))
	if strings.HasPrefix(resp.Request.URL.Path, "/interaction/") {
		resp = b.fillIn(t, resp.Request.URL, query.Get("acr_values"))
	}
	back, err := resp.Location()
	if err != nil || !strings.HasPrefix(back.String(), redirect) {
		t.Fatalf("signing %s in to %s: the provider answers %d at %s instead of coming back", b.user, app, resp.StatusCode, resp.Request.URL.Path)
	}
	if back.Query().Get("state") != query.Get("state") || back.Query().Get("code") == "" {
		t.Fatalf("signing %s in to %s: the provider came back with %s", b.user, app, back.RawQuery)
	}
	g, err := b.provider.token(t, b.client, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {app}, "redirect_uri": {redirect},
		"code": {back.Query().Get("code")}, "code_verifier": {verifier},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &session{g, b, app}
}

// fillIn signs in on the provider's page, with the second factor where the app
// asked for more than a password.
func (b *browser) fillIn(t *testing.T, page *url.URL, acrValues string) *http.Response {
	t.Helper()
	form := url.Values{"user": {b.user}, "password": {password}, "device": {b.device}}
	if acrValues != "" {
		form.Set("code", code)
	}
	r := newRequest(t, http.MethodPost, page.String(), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(t, r)
}

func (b *browser) do(t *testing.T, r *http.Request) *http.Response {
	t.Helper()
	resp, err := b.client.Do(r)
	if err != nil {
		t.Fatalf("browsing: %v", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatalf("browsing: %v", err)
	}
	return resp
}

// refreshed is the same session after its refresh token was used, which the
// provider allows whatever a gateway has revoked.
func (s *session) refreshed(t *testing.T) *session {
	t.Helper()
	g, err := s.browser.provider.token(t, s.browser.client, url.Values{
		"grant_type": {"refresh_token"}, "client_id": {s.app}, "refresh_token": {s.Refresh},
	})
	if err != nil {
		t.Fatal(err)
	}
	if g.Access == s.Access {
		t.Fatal("the refreshed token is the old one")
	}
	return &session{g, s.browser, s.app}
}

// facts are what a test needs to know of a token. The gateway verifies tokens;
// here they are only read.
type facts struct {
	Subject  string `json:"sub"`
	Session  string `json:"sid"`
	TokenID  string `json:"jti"`
	Device   string `json:"device_id"`
	Tenant   string `json:"tid"`
	ACR      string `json:"acr"`
	AuthTime int64  `json:"auth_time"`
	IssuedAt int64  `json:"iat"`
	KeyID    string `json:"-"`
}

func (s *session) facts(t *testing.T) facts {
	t.Helper()
	parts := strings.Split(s.Access, ".")
	if len(parts) != 3 {
		t.Fatal("the access token is not a JWT")
	}
	var f facts
	decode(t, parts[1], &f)
	var header struct {
		KeyID string `json:"kid"`
	}
	decode(t, parts[0], &header)
	f.KeyID = header.KeyID
	return f
}

func decode(t *testing.T, part string, into any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatalf("reading a token: %v", err)
	}
}

func random() string { return rand.Text() + rand.Text() }

func newRequest(t *testing.T, method, address string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	return r
}
