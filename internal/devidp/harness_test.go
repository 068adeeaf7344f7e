package devidp_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.uber.org/goleak"

	"curfew.dev/curfew/internal/devidp"
	"curfew.dev/curfew/internal/porttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	redirectURI = "http://127.0.0.1:8080/callback?keep=1"
	loggedOut   = "http://localhost:8080/bye"
	audience    = "https://api.example.com"
)

// clock is set by the test. It starts at a whole second.
type clock struct{ unix atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.unix.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.unix.Add(int64(d / time.Second)) }

// running is a provider on loopback and one browser.
type running struct {
	*testing.T
	provider *devidp.Provider
	issuer   string
	clock    *clock
	browser  *http.Client
	stop     func()
}

// start serves a provider until the test ends. An empty config is filled in.
func start(t *testing.T, config devidp.Config) *running {
	t.Helper()
	address := "127.0.0.1:" + porttest.Keep(t, 1)[0] // kept, because some tests start the provider again
	if config.Issuer != "" {
		address = config.Issuer[len("http://"):]
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &running{T: t, clock: &clock{}, issuer: "http://" + l.Addr().String()}
	s.clock.unix.Store(1_800_000_000)
	if config.Now == nil {
		config.Now = s.clock.now
	}
	config.Issuer = s.issuer
	config.Clients = []devidp.Client{
		{ID: "web", RedirectURIs: []string{redirectURI}, PostLogoutRedirectURIs: []string{loggedOut}, Audience: audience},
		{ID: "mobile", RedirectURIs: []string{redirectURI}, Audience: audience},
	}
	if config.Users == nil {
		config.Users = []devidp.User{{Subject: "alice", Password: "wonder", Tenant: "acme"}, {Subject: "bob", Password: "builder"}}
	}
	if s.provider, err = devidp.New(config); err != nil {
		l.Close()
		t.Fatal(err)
	}
	s.browser = newBrowser(t)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.provider.Serve(ctx, l) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		s.browser.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	}
	t.Cleanup(s.stop)
	return s
}

func newBrowser(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *running) request(parameters url.Values) devidp.SignInRequest {
	return devidp.SignInRequest{
		Issuer: s.issuer, ClientID: "web", RedirectURI: redirectURI, Scope: []string{"files:read"},
		User: "alice", Password: "wonder", Parameters: parameters,
	}
}

func (s *running) signIn(r devidp.SignInRequest) devidp.Tokens {
	s.Helper()
	tokens, err := devidp.SignIn(s.Context(), s.browser, r)
	if err != nil {
		s.Fatalf("signing in: %v", err)
	}
	return tokens
}

func (s *running) refresh(token string) devidp.Tokens {
	s.Helper()
	tokens, err := devidp.Refresh(s.Context(), s.browser, s.issuer, "web", token)
	if err != nil {
		s.Fatalf("refreshing: %v", err)
	}
	return tokens
}

// claims are the claims that the tests read.
type claims struct {
	Subject   string   `json:"sub"`
	ClientID  string   `json:"client_id"`
	Party     string   `json:"azp"`
	IssuedAt  int64    `json:"iat"`
	Expires   int64    `json:"exp"`
	AuthTime  int64    `json:"auth_time"`
	TokenID   string   `json:"jti"`
	SID       string   `json:"sid"`
	ACR       string   `json:"acr"`
	AMR       []string `json:"amr"`
	Scope     string   `json:"scope"`
	Device    string   `json:"device_id"`
	Tenant    string   `json:"tid"`
	Nonce     string   `json:"nonce"`
	Audiences string   `json:"aud"`
}

// verify reads a token as an independent client does: discovery, key set,
// go-oidc.
func (s *running) verify(token, audience string) claims {
	s.Helper()
	c, err := s.tryVerify(token, audience)
	if err != nil {
		s.Fatalf("verifying: %v", err)
	}
	return c
}

func (s *running) tryVerify(token, audience string) (claims, error) {
	s.Helper()
	ctx := oidc.ClientContext(s.Context(), s.browser)
	provider, err := oidc.NewProvider(ctx, s.issuer)
	if err != nil {
		return claims{}, err
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: audience, Now: s.clock.now}).Verify(ctx, token)
	if err != nil {
		return claims{}, err
	}
	var c claims
	err = verified.Claims(&c)
	return c, err
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	refusal := (*devidp.Error)(nil)
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Errorf("error is %v, want %s", err, code)
	}
}
