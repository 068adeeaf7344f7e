package devidp_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/devidp"
)

// A browser that has signed in returns after ten minutes. If the page asks, it
// sends alice's password and code.
func TestSessionReuse(t *testing.T) {
	for name, c := range map[string]struct {
		parameters url.Values
		again      bool
		acr        string
	}{
		"no wish":           {nil, false, "urn:curfew:pwd"},
		"prompt none":       {url.Values{"prompt": {"none"}}, false, "urn:curfew:pwd"},
		"prompt login":      {url.Values{"prompt": {"login"}}, true, "mfa"},
		"select account":    {url.Values{"prompt": {"select_account"}}, true, "mfa"},
		"max_age at age":    {url.Values{"max_age": {"600"}}, false, "urn:curfew:pwd"},
		"max_age below age": {url.Values{"max_age": {"599"}}, true, "mfa"},
		"max_age 0":         {url.Values{"max_age": {"0"}}, true, "mfa"},
		"stronger acr":      {url.Values{"acr_values": {"phr mfa"}}, true, "mfa"},
		"either acr":        {url.Values{"acr_values": {"mfa urn:curfew:pwd"}}, false, "urn:curfew:pwd"},
		"weaker acr, fresh": {url.Values{"acr_values": {"urn:curfew:pwd"}, "max_age": {"0"}}, true, "urn:curfew:pwd"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, devidp.Config{})
			r := s.request(nil)
			r.Device = "laptop"
			first := s.verify(s.signIn(r).AccessToken, audience)

			s.clock.advance(10 * time.Minute)
			r = s.request(c.parameters)
			r.Code = devidp.DefaultCode
			second := s.verify(s.signIn(r).AccessToken, audience)
			if again := second.AuthTime == first.AuthTime+600; again != c.again {
				t.Errorf("auth_time moved by %d s", second.AuthTime-first.AuthTime)
			}
			if second.SID != first.SID || second.Device != "laptop" {
				t.Error("the same user in the same browser got another sid or device")
			}
			if second.ACR != c.acr {
				t.Errorf("acr is %q, want %q", second.ACR, c.acr)
			}
		})
	}
}

// An earlier grant keeps the claims of its own sign-in, whatever happens to the
// session.
func TestStepUpLeavesEarlierGrants(t *testing.T) {
	s := start(t, devidp.Config{})
	weak := s.signIn(s.request(nil))
	before := s.verify(weak.AccessToken, audience)
	s.clock.advance(time.Minute)
	r := s.request(url.Values{"acr_values": {"mfa"}})
	r.Code = devidp.DefaultCode
	s.signIn(r)
	after := s.verify(s.refresh(weak.RefreshToken).AccessToken, audience)
	if after.ACR != "urn:curfew:pwd" || after.AuthTime != before.AuthTime || !slices.Equal(after.AMR, []string{"pwd"}) {
		t.Errorf("a refresh was elevated by somebody else's step-up: %+v", after)
	}
}

func TestAnotherUserIsAnotherSession(t *testing.T) {
	s := start(t, devidp.Config{})
	r := s.request(nil)
	r.Device = "laptop"
	alice := s.verify(s.signIn(r).AccessToken, audience)
	r = s.request(url.Values{"prompt": {"login"}})
	r.User, r.Password = "bob", "builder"
	bob := s.verify(s.signIn(r).AccessToken, audience)
	if bob.Subject != "bob" || bob.SID == alice.SID || bob.Device != "" || bob.Tenant != "" {
		t.Errorf("bob inherited from alice: %+v", bob)
	}
}

func TestSessionEnds(t *testing.T) {
	s := start(t, devidp.Config{})
	s.signIn(s.request(nil))
	quiet := s.request(url.Values{"prompt": {"none"}})
	s.clock.advance(30*24*time.Hour - time.Second)
	s.signIn(quiet)
	s.clock.advance(time.Second)
	_, err := devidp.SignIn(t.Context(), s.browser, quiet)
	wantCode(t, err, "login_required")
}

// Each sign-in has its own cookie, and the earlier cookie is invalid.
func TestCookieIsReplaced(t *testing.T) {
	s := start(t, devidp.Config{})
	s.signIn(s.request(nil))
	old := s.cookie()
	s.signIn(s.request(url.Values{"prompt": {"login"}}))
	if s.cookie().Value == old.Value {
		t.Fatal("the cookie stayed the same over a sign-in")
	}
	thief := newBrowser(t)
	u, _ := url.Parse(s.issuer)
	thief.Jar.SetCookies(u, []*http.Cookie{old})
	_, err := devidp.SignIn(t.Context(), thief, s.request(url.Values{"prompt": {"none"}}))
	wantCode(t, err, "login_required")
}

func (s *running) cookie() *http.Cookie {
	s.Helper()
	u, err := url.Parse(s.issuer)
	if err != nil {
		s.Fatal(err)
	}
	cookies := s.browser.Jar.Cookies(u)
	if len(cookies) != 1 || !strings.HasSuffix(cookies[0].Name, u.Port()) {
		s.Fatalf("want one cookie named after the port, have %d", len(cookies))
	}
	return cookies[0]
}

func TestLogout(t *testing.T) {
	s := start(t, devidp.Config{})
	tokens := s.signIn(s.request(nil))
	stranger := newBrowser(t)
	other, err := devidp.SignIn(t.Context(), stranger, s.request(nil))
	if err != nil {
		t.Fatal(err)
	}
	s.clock.advance(time.Hour) // an expired hint will do

	for name, query := range map[string]url.Values{
		"no hint":            {},
		"broken hint":        {"id_token_hint": {tokens.IDToken + "x"}},
		"access token":       {"id_token_hint": {tokens.AccessToken}},
		"redirect elsewhere": {"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {redirectURI}},
	} {
		if response := s.get("/logout?" + query.Encode()); response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, response.StatusCode)
		}
	}
	query := url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {loggedOut}, "state": {"s2"}}
	response := s.get("/logout?" + query.Encode())
	if got := response.Header.Get("Location"); got != loggedOut+"?state=s2" {
		t.Fatalf("status %d, Location %q", response.StatusCode, got)
	}
	_, err = devidp.SignIn(t.Context(), s.browser, s.request(url.Values{"prompt": {"none"}}))
	wantCode(t, err, "login_required")
	_, err = devidp.Refresh(t.Context(), s.browser, s.issuer, "web", tokens.RefreshToken)
	wantCode(t, err, "invalid_grant")
	s.refresh(other.RefreshToken) // alice's other session goes on
}
