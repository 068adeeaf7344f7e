package login

import (
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/devidp"
	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// The development provider, real connections and a clock that nobody turns.
func TestASignInOverRealConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer := &revocation.Issuer{URL: "http://" + listener.Addr().String(), ClockSkew: skew, Retention: time.Hour * 1000, MaxTokenLifetime: time.Hour, SessionLifetime: time.Hour}
	site := httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(site.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://localhost:" + port
	provider, err := devidp.New(devidp.Config{
		Issuer: issuer.URL, Users: []devidp.User{{Subject: "alice", Password: "wonderland"}},
		Clients: []devidp.Client{{ID: "web", RedirectURIs: []string{origin + "/.curfew/callback/staff"}, Audience: "https://api.example.com"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- provider.Serve(ctx, listener) }()
	keys := token.NewKeySet(issuer.URL, token.KeySetOptions{})
	ran := make(chan struct{})
	go func() { defer close(ran); keys.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-served; <-ran })
	keys.Await(ctx)
	verifier, err := token.NewVerifier(token.VerifierConfig{Issuers: []token.IssuerKeys{{
		Issuer: token.Issuer{Issuer: revocation.Issuer{URL: issuer.URL}, Audiences: []string{"https://api.example.com"}}, Keys: keys,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	index, sealing := new(revocation.Index), seal.Keys{seal.RandomKey()}
	client := outbound.New(issuer.URL, outbound.Options{})
	t.Cleanup(client.CloseIdleConnections)
	all, err := New(Deps{
		Keys: func() seal.Keys { return sealing }, OpenToken: verifier.Open, Find: index.Find, Ready: func(time.Time) bool { return true },
		Submit: func(context.Context, *revocation.Draft) error { return nil }, Secure: func(r *http.Request) bool { return r.TLS != nil },
		Pages: textPages{}, Now: time.Now,
	}, Config{Name: "staff", Issuer: issuer, Client: client, ClientID: "web", Idle: time.Hour, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := all.Named("staff").AddOrigin(origin); err != nil {
		t.Fatal(err)
	}
	ours := all.NewSite(all.Named("staff"))
	site.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, _ := Read(r.Header, CookiesOf(false).Session)
		switch s, _, _ := all.Open(cookie, HostOf(r), time.Now()); {
		case Serves(r):
			ours.ServeHTTP(w, r)
		case s != nil:
			_, _ = io.WriteString(w, "for "+s.Credential.Subject)
		case !all.Named("staff").Begin(w, r, Demand{}):
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	site.Start()
	t.Cleanup(site.Close)

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	t.Cleanup(browser.CloseIdleConnections)
	ask := func(method, address string, form url.Values, origin string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", origin)
		}
		resp, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
	at, page := ask(http.MethodGet, origin+"/deep?a=1", nil, "")
	action := regexp.MustCompile(`action="([^"]+)"`).FindStringSubmatch(page)
	if action == nil {
		t.Fatalf("%d at %s: %s", at.StatusCode, at.Request.URL, page)
	}
	to, err := at.Request.URL.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	at, page = ask(http.MethodPost, to.String(), url.Values{"user": {"alice"}, "password": {"wonderland"}}, issuer.URL)
	if page != "for alice" || at.Request.URL.RequestURI() != "/deep?a=1" {
		t.Fatalf("%d at %s: %s", at.StatusCode, at.Request.URL, page)
	}
	// The provider says no name.
	if _, page = ask(http.MethodGet, origin+"/.curfew/sign-out", nil, ""); !strings.Contains(page, `"Name":"alice"`) {
		t.Errorf("asked to sign out: %s", page)
	}
	if _, page = ask(http.MethodPost, origin+"/.curfew/sign-out", nil, origin); !strings.Contains(page, `"Action":"`+issuer.URL+`/logout"`) {
		t.Errorf("signed out: %s", page)
	}
}
