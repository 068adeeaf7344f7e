package docs_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"curfew.dev/curfew/internal/porttest"
)

// The configuration that replaces oauth2-proxy does what the one before did: it
// skips the sign-in for one path, sends browsers to the provider and scripts a
// 401, and lets in who has an address of the domain and is in the group.
func TestWhatReplacesOAuth2ProxyDoesWhatItDid(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "for "+r.Header.Get("Curfew-Subject"))
	}))
	defer service.Close()
	port := porttest.Keep(t, 1)[0]
	app := "http://127.0.0.1:" + port
	idp := startProvider(t, app+"/.curfew/callback/staff")
	text := runnable(t, caddyfileWith(t, "migrate-from-oauth2-proxy.md", "claim email"), idp,
		"app.example.com {", app+" {", "127.0.0.1:9000", strings.TrimPrefix(service.URL, "http://"))
	runSignIn(t, "migrate-from-oauth2-proxy.md", text, func() bool { return ask(t, app+"/", "") == http.StatusUnauthorized })

	if status, body := get(t, app+"/healthz", ""); status != 200 || body != "for " {
		t.Errorf("/healthz, which skips the sign-in: %d %q", status, body)
	}
	if _, body := get(t, app+"/", ""); !strings.Contains(body, `"sign_in":"/.curfew/sign-in`) {
		t.Errorf("a script is told %s", body)
	}
	for user, want := range map[string]int{"alice": http.StatusOK, "bob": http.StatusForbidden} {
		signInLikeBefore(t, app, idp, user, want)
	}
}

// signInLikeBefore opens a page as somebody who was not signed in.
func signInLikeBefore(t *testing.T, app, idp, user string, want int) {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	at, page := do(t, client, navigation(t, http.MethodGet, app+"/deep?a=1", nil))
	q := at.Request.URL.Query()
	if !strings.HasPrefix(at.Request.URL.String(), idp) || q.Get("client_id") != "web" || q.Get("redirect_uri") != app+"/.curfew/callback/staff" ||
		q.Get("code_challenge_method") != "S256" || !slices.Equal(strings.Fields(q.Get("scope")), []string{"openid", "profile", "email", "groups"}) {
		t.Fatalf("a browser is sent to %s", at.Request.URL)
	}
	action := regexp.MustCompile(`action="([^"]+)"`).FindStringSubmatch(page)
	to, err := at.Request.URL.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	at, page = do(t, client, navigation(t, http.MethodPost, to.String(), url.Values{"user": {user}, "password": {"wonderland"}}))
	if at.StatusCode != want || at.Request.URL.String() != app+"/deep?a=1" || !strings.Contains(page, user) || strings.Contains(page, "/.curfew/sign-in?") != (want == http.StatusForbidden) {
		t.Errorf("%s gets %d at %s\n%s", user, at.StatusCode, at.Request.URL, page)
	}
}
