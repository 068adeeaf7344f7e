package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "curfew.dev/curfew/caddymodule"
	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/internal/porttest"
	"curfew.dev/curfew/token/tokentest"
)

// upstream counts the requests that reach it. It keeps the last request, and
// the text of all requests.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	hits int
	last *http.Request
	text strings.Builder
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := new(upstream)
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		u.mu.Lock()
		u.hits++
		u.last = r
		fmt.Fprintln(&u.text, r.Method, r.RequestURI, r.Header, r.Trailer)
		u.mu.Unlock()
		_, _ = io.WriteString(w, "upstream")
	}))
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.hits
}

// dump returns the text of every request so far, without its body.
func (u *upstream) dump() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.text.String()
}

func (u *upstream) header(name string) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last.Header[name]
}

// gateway is a real Caddy in this process, in front of a counting upstream.
type gateway struct {
	t        *testing.T
	issuer   *tokentest.Issuer
	upstream *upstream
	replace  *strings.Replacer

	app, admin, health, endpoint string // base URLs
	tls                          string // the base URL of a site with TLS; empty if there is none
	port, dir                    string
	loaded                       time.Time // when a configuration was last loaded
	logTo                        string    // a file for all logs, at DEBUG; empty: errors, to stderr
}

const (
	// patience is the time limit for an expected event. A machine that is busy
	// with other tests may take long, and that is no failure.
	patience = time.Minute
	// tooLong is a time that only an operation which hangs or waits for another
	// exceeds.
	tooLong = 20 * time.Second
)

const (
	helpdesk   = "helpdesk-secret-of-the-tests"
	breakGlass = "break-glass-secret-of-the-tests"
)

// global is the configuration of most tests. ISSUER and similar names are
// replaced.
const global = `
	curfew {
		issuer ISSUER {
			audience api
			client web
			device_claim device_id
			tenant_claim tid
			exempt_client xbox-console
			clock_skew 1s
		}
		policy billing {
			acr mfa phr
			max_age 10m
			scope billing:write
		}
		policy fresh {
			max_age 5m
		}
		ledger local DIR
		on_empty start
		node_name edge-1
	}
`

// sites are the sites of most tests, after the global options.
const sites = `
http://127.0.0.1:APPPORT {
	@guarded not path /public /public/*
	curfew @guarded {
		identity_header X-User-Email email
	}
	@billing path /billing /billing/*
	curfew @billing billing
	reverse_proxy UPSTREAM
}
` + operatorSites

// operatorSites are the sites that no user asks.
const operatorSites = `http://127.0.0.1:ADMINPORT {
	curfew_admin {
		token helpdesk write ` + helpdesk + `
		token root break_glass ` + breakGlass + `
		token dashboards read reading-secret-of-the-tests
	}
}
http://127.0.0.1:HEALTHPORT {
	metrics /metrics
	curfew_health
}
`

// start loads the given parts of a Caddyfile and waits until it is ready.
func start(t *testing.T, global, sites string) *gateway {
	t.Helper()
	g := prepare(t)
	g.load(global, sites)
	g.awaitReady()
	return g
}

func prepare(t *testing.T) *gateway {
	t.Helper()
	gatewaytest.OwnDirectories(t)
	g := &gateway{t: t, issuer: tokentest.Start(t), upstream: newUpstream(t)}
	ports := porttest.Keep(t, 4)
	g.port = ports[0]
	base := func(port string) string { return "http://127.0.0.1:" + port }
	g.app, g.admin, g.health, g.endpoint = base(ports[0]), base(ports[1]), base(ports[2]), base(ports[3])
	g.dir = t.TempDir()
	g.replace = g.replacing(ports)
	t.Cleanup(g.stop)
	return g
}

// replacing fills the values that differ between tests into a Caddyfile.
func (g *gateway) replacing(ports []string) *strings.Replacer {
	return strings.NewReplacer("ISSUER", g.issuer.URL, "UPSTREAM", g.upstream.URL, "DIR", g.dir,
		"APPPORT", ports[0], "ADMINPORT", ports[1], "HEALTHPORT", ports[2], "ENDPOINTPORT", ports[3])
}

func (g *gateway) stop() {
	if err := caddy.Stop(); err != nil {
		g.t.Errorf("stopping Caddy: %v", err)
	}
}

// config adapts the parts of a Caddyfile to JSON.
func (g *gateway) config(global, sites string) ([]byte, error) {
	logging := "level ERROR"
	if g.logTo != "" {
		logging = "level DEBUG\n\t\tformat json\n\t\toutput file " + g.logTo + " {\n\t\t\troll_disabled\n\t\t}"
	}
	text := g.replace.Replace("{\n\tadmin 127.0.0.1:ENDPOINTPORT\n\tpersist_config off\n\tauto_https off\n\tlog {\n\t\t" + logging + "\n\t}\n" + global + "}\n" + sites)
	adapted, _, err := gatewaytest.Adapt(text)
	return adapted, err
}

func (g *gateway) load(global, sites string) {
	g.t.Helper()
	if err := g.tryLoad(global, sites); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) tryLoad(global, sites string) error {
	config, err := g.config(global, sites)
	if err != nil {
		return err
	}
	err = caddy.Load(config, true)
	g.loaded = time.Now()
	g.awaitOneServer()
	// The servers before are closing their connections.
	client.CloseIdleConnections()
	return err
}

// awaitOneServer waits until the servers of an earlier configuration no longer
// listen, because Caddy does not wait for that. Sites without `bind` listen on
// all addresses of a port.
func (g *gateway) awaitOneServer() {
	g.t.Helper()
	for _, base := range []string{g.app, g.admin, g.health, g.tls} {
		if base == "" {
			continue
		}
		_, port, _ := strings.Cut(base, "//127.0.0.1")
		eventually(g.t, "one server listens on "+base, func() bool {
			return caddy.ListenerUsage("tcp", port) <= 1
		})
	}
}

func (g *gateway) awaitReady() {
	g.t.Helper()
	gatewaytest.AwaitReady(g.t, g.health+"/readyz")
}

// claims returns the claims of a token of a user who signed in 100 s ago.
func (g *gateway) claims(sub string) tokentest.Claims {
	now := time.Now().Unix()
	return tokentest.Claims{
		"iss": g.issuer.URL, "sub": sub, "aud": "api", "client_id": "web", "jti": fmt.Sprintf("jti-%s-%d", sub, time.Now().UnixNano()),
		"sid": "sid-" + sub, "iat": now - 90, "auth_time": now - 100, "exp": now + 300, "device_id": "phone-" + sub, "tid": "contoso",
		"scope": "read", "acr": "pwd", "amr": []string{"pwd"},
	}
}

// token signs claims. A change replaces a claim, or removes it if its value is
// nil.
func (g *gateway) token(sub string, changes ...tokentest.Claims) string {
	g.t.Helper()
	return g.issuer.Sign(g.claims(sub), changes...)
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       patience,
}

func (g *gateway) do(req *http.Request) answer {
	g.t.Helper()
	resp, err := client.Do(req)
	for tries := 0; tries < 3 && g.waitedInVain(req, err); tries++ {
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				g.t.Fatal(err)
			}
		}
		resp, err = client.Do(req)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return answer{resp, string(b)}
}

// waitedInVain reports whether a reload closed the listener of a waiting
// connection. The request was then not read, or may be sent twice.
func (g *gateway) waitedInVain(req *http.Request, err error) bool {
	if time.Since(g.loaded) > patience {
		return false
	}
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return errors.Is(err, syscall.ECONNRESET)
	case req.Method != http.MethodGet:
		return false
	}
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
}

// get asks the guarded site; edit may change the request.
func (g *gateway) get(path, token string, edit ...func(*http.Request)) answer {
	g.t.Helper()
	req, err := http.NewRequest(http.MethodGet, g.app+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, e := range edit {
		e(req)
	}
	return g.do(req)
}

// call asks the admin API as the holder of a secret.
func (g *gateway) call(secret, method, path string, body any, edit ...func(*http.Request)) answer {
	g.t.Helper()
	var b []byte
	switch body := body.(type) {
	case nil:
	case string:
		b = []byte(body)
	default:
		var err error
		if b, err = json.Marshal(body); err != nil {
			g.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, g.admin+path, bytes.NewReader(b))
	if err != nil {
		g.t.Fatal(err)
	}
	if b != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	for _, e := range edit {
		e(req)
	}
	return g.do(req)
}

// revoke cuts a target and fails the test unless it is in force.
func (g *gateway) revoke(target map[string]string, extra ...map[string]any) map[string]any {
	g.t.Helper()
	body := map[string]any{"target": target}
	for _, e := range extra {
		for k, v := range e {
			body[k] = v
		}
	}
	a := g.call(helpdesk, http.MethodPost, "/v1/revocations", body)
	if a.StatusCode != http.StatusCreated {
		g.t.Fatalf("revoking: %d %s", a.StatusCode, a.body)
	}
	var receipt map[string]any
	if err := json.Unmarshal([]byte(a.body), &receipt); err != nil {
		g.t.Fatal(err)
	}
	return receipt
}

func (a answer) problem() string {
	var p struct{ Type string }
	_ = json.Unmarshal([]byte(a.body), &p)
	return p.Type
}

// loadJSON loads a configuration that was written or changed by hand.
func (g *gateway) loadJSON(config string) {
	g.t.Helper()
	if err := caddy.Load([]byte(config), true); err != nil {
		g.t.Fatal(err)
	}
	g.loaded = time.Now()
	g.awaitOneServer()
	client.CloseIdleConnections()
}
