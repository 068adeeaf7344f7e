package devidp_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"curfew.dev/curfew/internal/devidp"
)

func TestSignIn(t *testing.T) {
	for _, algorithm := range []jose.SignatureAlgorithm{"", jose.ES256, jose.RS256, jose.EdDSA} {
		t.Run(string("alg="+algorithm), func(t *testing.T) {
			s := start(t, devidp.Config{Algorithm: algorithm})
			r := s.request(nil)
			r.Device, r.Code = "alice's laptop", devidp.DefaultCode
			tokens := s.signIn(r)

			access := s.verify(tokens.AccessToken, audience)
			if access.TokenID == "" || access.SID == "" {
				t.Error("jti or sid is missing")
			}
			now := s.clock.now().Unix()
			want := claims{
				Subject: "alice", ClientID: "web", IssuedAt: now, Expires: now + 300, AuthTime: now, TokenID: access.TokenID,
				SID: access.SID, ACR: "mfa", AMR: []string{"pwd", "otp", "mfa"}, Scope: "openid files:read",
				Device: "alice's laptop", Tenant: "acme", Audiences: audience,
			}
			if fmt.Sprint(access) != fmt.Sprint(want) {
				t.Errorf("access token\n got %+v\nwant %+v", access, want)
			}
			want.ClientID, want.Scope, want.TokenID = "", "", ""
			want.Party, want.Audiences, want.Nonce = "web", "web", tokens.Nonce
			if id := s.verify(tokens.IDToken, "web"); fmt.Sprint(id) != fmt.Sprint(want) {
				t.Errorf("ID token\n got %+v\nwant %+v", id, want)
			}
			if typ := headerOf(t, tokens.AccessToken)["typ"]; typ != "at+jwt" {
				t.Errorf("typ of the access token is %v", typ)
			}
			if tokens.TokenType != "Bearer" || tokens.ExpiresIn != 300 {
				t.Errorf("token_type %q, expires_in %d", tokens.TokenType, tokens.ExpiresIn)
			}
		})
	}
}

func TestFurtherClaimsAreInIDTokensAndReplaceNone(t *testing.T) {
	s := start(t, devidp.Config{Users: []devidp.User{{Subject: "alice", Password: "wonder", Claims: map[string]any{"email": "alice@example.com", "sub": "bob"}}}})
	tokens := s.signIn(s.request(nil))
	for token, want := range map[string]any{tokens.IDToken: "alice@example.com", tokens.AccessToken: nil} {
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(payload, &got); err != nil || got["email"] != want || got["sub"] != "alice" {
			t.Errorf("email %v, sub %v, want email %v: %v", got["email"], got["sub"], want, err)
		}
	}
	s.verify(tokens.IDToken, "web")
}

func headerOf(t *testing.T, token string) (header map[string]any) {
	t.Helper()
	part, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(b, &header)
	}
	if err != nil {
		t.Fatal(err)
	}
	return header
}

func TestSignInRefused(t *testing.T) {
	s := start(t, devidp.Config{})
	for name, edit := range map[string]func(*devidp.SignInRequest){
		"wrong password":  func(r *devidp.SignInRequest) { r.Password = "wonde" },
		"no password":     func(r *devidp.SignInRequest) { r.Password = "" },
		"unknown user":    func(r *devidp.SignInRequest) { r.User = "mallory" },
		"wrong code":      func(r *devidp.SignInRequest) { r.Code = "000001" },
		"code is missing": func(r *devidp.SignInRequest) { r.Parameters = url.Values{"acr_values": {"mfa"}} },
		"device too long": func(r *devidp.SignInRequest) { r.Device = strings.Repeat("x", 65) },
		"device unseen":   func(r *devidp.SignInRequest) { r.Device = "a\u202eb" },
	} {
		t.Run(name, func(t *testing.T) {
			r := s.request(nil)
			edit(&r)
			if _, err := devidp.SignIn(t.Context(), s.browser, r); !errors.Is(err, devidp.ErrRefused) {
				t.Errorf("error is %v, want a refused sign-in", err)
			}
		})
	}
	if _, err := devidp.SignIn(t.Context(), s.browser, s.request(url.Values{"prompt": {"none"}})); err == nil {
		t.Error("a refused sign-in left a session")
	}
}

func TestAuthorizationRefused(t *testing.T) {
	s := start(t, devidp.Config{})
	for name, c := range map[string]struct{ parameter, value, code string }{
		"PKCE plain":         {"code_challenge_method", "plain", "invalid_request"},
		"PKCE missing":       {"code_challenge", "", "invalid_request"},
		"implicit flow":      {"response_type", "token", "unsupported_response_type"},
		"fragment":           {"response_mode", "fragment", "invalid_request"},
		"not OpenID":         {"scope", "files:read", "invalid_scope"},
		"scope with quote":   {"scope", `openid a"b`, "invalid_scope"},
		"request object":     {"request", "x", "request_not_supported"},
		"request by URI":     {"request_uri", "http://127.0.0.1/x", "request_uri_not_supported"},
		"prompt unknown":     {"prompt", "dance", "invalid_request"},
		"prompt none, login": {"prompt", "none login", "invalid_request"},
		"prompt none":        {"prompt", "none", "login_required"},
		"max_age negative":   {"max_age", "-1", "invalid_request"},
		"max_age no number":  {"max_age", "1h", "invalid_request"},
		"phishing-resistant": {"acr_values", "phr", "unmet_authentication_requirements"},
		"nonce too long":     {"nonce", strings.Repeat("n", 2049), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := devidp.SignIn(t.Context(), s.browser, s.request(url.Values{c.parameter: {c.value}}))
			wantCode(t, err, c.code)
		})
	}
	_, err := devidp.SignIn(t.Context(), s.browser, s.request(url.Values{"nonce": {"a", "b"}}))
	wantCode(t, err, "invalid_request")
}

// A refusal that can't be redirected safely must not be redirected at all.
func TestRedirectURIIsExact(t *testing.T) {
	s := start(t, devidp.Config{})
	for name, parameters := range map[string]url.Values{
		"other":          {"redirect_uri": {"http://127.0.0.1:8080/other"}},
		"prefix":         {"redirect_uri": {redirectURI + "&more=1"}},
		"other port":     {"redirect_uri": {strings.Replace(redirectURI, "8080", "8081", 1)}},
		"slash":          {"redirect_uri": {strings.Replace(redirectURI, "callback", "callback/", 1)}},
		"twice":          {"redirect_uri": {redirectURI, redirectURI}},
		"missing":        {"redirect_uri": {}},
		"logout's":       {"redirect_uri": {loggedOut}},
		"unknown client": {"client_id": {"nobody"}},
	} {
		t.Run(name, func(t *testing.T) {
			query := s.query()
			for k, v := range parameters {
				query[k] = v
			}
			response := s.get("/authorize?" + query.Encode())
			if location := response.Header.Get("Location"); response.StatusCode != http.StatusBadRequest || location != "" {
				t.Errorf("status %d, Location %q", response.StatusCode, location)
			}
		})
	}
}

// query is an authorization request whose verifier the test knows.
func (s *running) query() url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {"web"}, "redirect_uri": {redirectURI}, "scope": {"openid"}, "state": {"s1"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
}

// The example of RFC 7636 appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func (s *running) get(path string) *http.Response {
	s.Helper()
	response, err := s.browser.Get(s.issuer + path)
	if err != nil {
		s.Fatal(err)
	}
	response.Body.Close()
	return response
}

func (s *running) post(path string, form url.Values) (*http.Response, map[string]any) {
	s.Helper()
	response, err := s.browser.PostForm(s.issuer+path, form)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	var body map[string]any
	_ = json.NewDecoder(response.Body).Decode(&body) // pages are not JSON
	return response, body
}

// code signs alice in and returns the code without redeeming it.
func (s *running) code() string {
	s.Helper()
	response, _ := s.post("/sign-in?"+s.query().Encode(), url.Values{"user": {"alice"}, "password": {"wonder"}})
	location, err := response.Location()
	if err != nil {
		s.Fatalf("status %d: %v", response.StatusCode, err)
	}
	q := location.Query()
	if q.Get("state") != "s1" || q.Get("iss") != s.issuer || q.Get("keep") != "1" || q.Get("code") == "" {
		s.Fatalf("authorization response lacks code, state, iss or the redirect URI's own query: %v", slices.Collect(keys(q)))
	}
	return q.Get("code")
}

func keys(v url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range v {
			if !yield(k) {
				return
			}
		}
	}
}

func redemption(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"web"}, "code": {code},
		"redirect_uri": {redirectURI}, "code_verifier": {verifier},
	}
}

func TestCodeRedemption(t *testing.T) {
	s := start(t, devidp.Config{})
	for name, c := range map[string]struct {
		parameter, value string
		after            time.Duration
		want             string
	}{
		"in time":           {"client_id", "web", 59 * time.Second, ""},
		"too late":          {"client_id", "web", 60 * time.Second, "invalid_grant"},
		"other verifier":    {"code_verifier", strings.Repeat("a", 43), 0, "invalid_grant"},
		"verifier missing":  {"code_verifier", "", 0, "invalid_grant"},
		"challenge instead": {"code_verifier", challenge, 0, "invalid_grant"},
		"other redirect":    {"redirect_uri", loggedOut, 0, "invalid_grant"},
		"other client":      {"client_id", "mobile", 0, "invalid_grant"},
		"unknown client":    {"client_id", "nobody", 0, "invalid_client"},
		"other code":        {"code", "x", 0, "invalid_grant"},
		"other grant":       {"grant_type", "password", 0, "unsupported_grant_type"},
	} {
		t.Run(name, func(t *testing.T) {
			form := redemption(s.code())
			form.Set(c.parameter, c.value)
			s.clock.advance(c.after)
			response, body := s.post("/token", form)
			if got, _ := body["error"].(string); got != c.want {
				t.Errorf("error is %q, want %q", got, c.want)
			}
			if response.Header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be stored")
			}
		})
	}
	form := redemption(s.code())
	form.Add("code_verifier", verifier)
	if _, body := s.post("/token", form); body["error"] != "invalid_request" {
		t.Errorf("a repeated parameter got %v", body["error"])
	}
}

func TestCodeIsSingleUse(t *testing.T) {
	s := start(t, devidp.Config{})
	form := redemption(s.code())
	_, first := s.post("/token", form)
	if _, second := s.post("/token", form); second["error"] != "invalid_grant" {
		t.Errorf("the second redemption got %v", second["error"])
	}
	_, err := devidp.Refresh(t.Context(), s.browser, s.issuer, "web", first["refresh_token"].(string))
	wantCode(t, err, "invalid_grant")

	form = redemption(s.code())
	form.Set("code_verifier", strings.Repeat("a", 43))
	s.post("/token", form)
	form.Set("code_verifier", verifier)
	if _, body := s.post("/token", form); body["error"] != "invalid_grant" {
		t.Errorf("a code whose verifier was guessed at once got %v", body["error"])
	}
}

func TestRefresh(t *testing.T) {
	s := start(t, devidp.Config{})
	r := s.request(nil)
	r.Device = "phone"
	first := s.signIn(r)
	before := s.verify(first.AccessToken, audience)

	s.clock.advance(time.Hour)
	second := s.refresh(first.RefreshToken)
	after := s.verify(second.AccessToken, audience)
	if after.IssuedAt != before.IssuedAt+3600 || after.TokenID == before.TokenID || after.Expires != before.Expires+3600 {
		t.Errorf("iat, exp or jti did not change: %+v", after)
	}
	same := after
	same.IssuedAt, same.Expires, same.TokenID = before.IssuedAt, before.Expires, before.TokenID
	if fmt.Sprint(same) != fmt.Sprint(before) {
		t.Errorf("what must not change changed\nbefore %+v\n after %+v", before, after)
	}
	if id := s.verify(second.IDToken, "web"); id.AuthTime != before.AuthTime || id.SID != before.SID || id.Nonce != "" {
		t.Errorf("refreshed ID token: %+v", id)
	}

	_, err := devidp.Refresh(t.Context(), s.browser, s.issuer, "web", first.RefreshToken)
	wantCode(t, err, "invalid_grant")
	_, err = devidp.Refresh(t.Context(), s.browser, s.issuer, "web", second.RefreshToken)
	wantCode(t, err, "invalid_grant") // reuse has ended the family
}

func TestRefreshRefused(t *testing.T) {
	s := start(t, devidp.Config{})
	token := s.signIn(s.request(nil)).RefreshToken
	_, err := devidp.Refresh(t.Context(), s.browser, s.issuer, "mobile", token)
	wantCode(t, err, "invalid_grant")
	_, err = devidp.Refresh(t.Context(), s.browser, s.issuer, "web", "no-token")
	wantCode(t, err, "invalid_grant")

	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"web"}, "refresh_token": {token}, "scope": {"openid admin"}}
	if _, body := s.post("/token", form); body["error"] != "invalid_scope" {
		t.Errorf("a wider scope got %v", body["error"])
	}
	form.Set("scope", "files:read")
	_, body := s.post("/token", form)
	if body["scope"] != "files:read" {
		t.Fatalf("a narrower scope got %v", body)
	}
	s.clock.advance(30 * 24 * time.Hour)
	_, err = devidp.Refresh(t.Context(), s.browser, s.issuer, "web", body["refresh_token"].(string))
	wantCode(t, err, "invalid_grant")
}
