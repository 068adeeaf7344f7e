package docs_test

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/internal/devidp"
	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/internal/porttest"
)

// The Caddyfiles of the pages on browser sign-in are valid as a whole, with the
// files that they name.
func TestTheCaddyfilesOfBrowserSignInAreValid(t *testing.T) {
	gatewaytest.OwnDirectories(t)
	etc := filesOfSignIn(t)
	found := 0
	for _, name := range []string{"sign-in.md", "migrate-from-oauth2-proxy.md", "providers.md"} {
		for _, b := range read(t, name).blocks() {
			if b.language != "caddyfile" || !strings.Contains(b.text, "sign_in") {
				continue
			}
			found++
			text := strings.ReplaceAll(b.text, "/etc/curfew", etc)
			if !strings.Contains(text, "curfew_sign_in") { // the site is that of sign-in.md
				text += "app.example.com {\n\tcurfew_sign_in staff\n\tcurfew {\n\t\tsession staff\n\t}\n\treverse_proxy 127.0.0.1:9000\n}\n"
			}
			if err := gatewaytest.Validate(adapt(t, name, text)); err != nil {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
	}
	if found < 14 {
		t.Errorf("%d Caddyfiles: they are not found", found)
	}
}

// filesOfSignIn makes what stands in /etc/curfew.
func filesOfSignIn(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	other := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("o", 32)))
	for name, content := range map[string]string{"web.secret": secret, "sealing-new.key": key, "sealing-old.key": other} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.ToSlash(dir)
}

// runnable is a Caddyfile of a page as it can run here: the provider is one for
// development, whose clients have no secret.
func runnable(t *testing.T, text, issuer string, replace ...string) string {
	t.Helper()
	replace = append(replace, "https://login.example.com", issuer, "\t\t\tclient_secret {file./etc/curfew/web.secret}\n", "")
	text = strings.NewReplacer(replace...).Replace(text)
	return strings.Replace(text, "{\n", "{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n", 1)
}

// runSignIn loads a Caddyfile until the test ends, and returns once the gateway
// decides.
func runSignIn(t *testing.T, where, text string, decides func() bool) {
	t.Helper()
	gatewaytest.OwnDirectories(t)
	text = strings.Replace(text, "\tcurfew {\n", "\tcurfew {\n\t\tledger local "+t.TempDir()+"\n\t\ton_empty start\n", 1)
	gatewaytest.Load(t, adapt(t, where, string(caddyfile.Format([]byte(text)))))
	gatewaytest.Until(t, "the gateway decides", decides)
}

// The first Caddyfile of a page that has a text in it.
func caddyfileWith(t *testing.T, name, part string) string {
	t.Helper()
	for _, b := range read(t, name).blocks() {
		if b.language == "caddyfile" && strings.Contains(b.text, part) {
			return b.text
		}
	}
	t.Fatalf("%s has no Caddyfile with %q", name, part)
	return ""
}

// navigation is what a browser sends to show a page.
func navigation(t *testing.T, method, address string, form url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Site": {"none"}}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

func do(t *testing.T, client *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// TLS may end at a proxy that is named: what it says of the scheme counts, and the
// callback says the rest. Over http nobody signs in.
func TestASiteBehindAProxySignsBrowsersIn(t *testing.T) {
	port := porttest.Keep(t, 1)[0]
	issuer := startProvider(t, "http://127.0.0.1/unused")
	text := runnable(t, caddyfileWith(t, "sign-in.md", "trusted_proxies"), issuer,
		"static 10.0.0.0/8", "static 127.0.0.1", "http://app.example.com {", "http://app.example.com:"+port+" {")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	open := func(proto string) (*http.Response, string) {
		r := navigation(t, http.MethodGet, "http://127.0.0.1:"+port+"/deep", nil)
		r.Host = "app.example.com"
		if proto != "" {
			r.Header.Set("X-Forwarded-Proto", proto)
		}
		return do(t, client, r)
	}
	runSignIn(t, "sign-in.md", text, func() bool { resp, _ := open("https"); return resp.StatusCode == http.StatusSeeOther })
	resp, _ := open("https")
	to, err := resp.Location()
	if err != nil || to.Query().Get("redirect_uri") != "https://app.example.com/.curfew/callback/staff" ||
		!strings.HasPrefix(resp.Header.Get("Set-Cookie"), "__Host-curfew-attempt=") || !strings.Contains(resp.Header.Get("Set-Cookie"), "Secure") {
		t.Errorf("over https at the proxy: %v %v", to, resp.Header)
	}
	for _, proto := range []string{"", "http"} {
		if resp, page := open(proto); resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, "Signing in needs https") {
			t.Errorf("over %q: %d %s", proto, resp.StatusCode, page)
		}
	}
}

// startProvider runs a provider for development with one public client.
func startProvider(t *testing.T, redirectURI string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer := "http://" + l.Addr().String()
	p, err := devidp.New(devidp.Config{
		Issuer: issuer, Clients: []devidp.Client{{ID: "web", Audience: "web", RedirectURIs: []string{redirectURI}}},
		Users: []devidp.User{
			{Subject: "alice", Password: "wonderland", Claims: map[string]any{"email": "alice@example.com", "email_verified": true, "groups": []string{"all", "staff"}}},
			{Subject: "bob", Password: "wonderland", Claims: map[string]any{"email": "bob@example.com", "email_verified": false, "groups": []string{"staff"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	ctx := t.Context()
	go func() {
		defer close(done)
		_ = p.Serve(ctx, l)
	}()
	t.Cleanup(func() { <-done }) // the test's context has ended
	return issuer
}
