package micro

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "curfew.dev/curfew/caddymodule"
	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/internal/porttest"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

func init() { caddy.RegisterModule(sink{}) }

// sink is the handler behind the guard. It answers without a body, so that the
// rest of a request is the work of Caddy and the guard.
type sink struct{}

func (sink) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.curfew_benchmark_sink", New: func() caddy.Module { return new(sink) }}
}

func (sink) ServeHTTP(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// gateway is a Caddy in this process whose servers are called without a
// network.
type gateway struct {
	issuer  *tokentest.Issuer
	servers map[string]*caddyhttp.Server // as in routes
	now     time.Time
}

// routes are the handlers of each server.
var routes = map[string][]map[string]any{
	"bare":    {},
	"guarded": {{"handler": "curfew"}},
	"minimal": {{"handler": "curfew", "identity": "minimal"}},
	"none":    {{"handler": "curfew", "identity": "none"}},
	"strict":  {{"handler": "curfew", "policies": []string{"strict"}}},
	"stacked": {{"handler": "curfew"}, {"handler": "curfew", "policies": []string{"strict"}}},
}

// signInRoutes are those of a gateway that signs browsers in.
var signInRoutes = map[string][]map[string]any{
	"session": {{"handler": "curfew_sign_in", "names": []string{"staff"}}, {"handler": "curfew", "session": []string{"staff"}}},
	"token":   {{"handler": "curfew"}},
}

// newGateway loads Caddy with a ledger that holds a number of cuts of other
// users.
func newGateway(b testing.TB, entries int) *gateway {
	b.Helper()
	g := load(b, entries, routes, nil)
	g.awaitReady(b, "strict")
	return g
}

// newSignInGateway loads Caddy with a sign-in.
func newSignInGateway(b testing.TB) *gateway {
	b.Helper()
	g := load(b, 0, signInRoutes, map[string]any{"sign_ins": []any{map[string]any{
		"name": "staff", "client_id": "curfew-web", "callback": map[string]any{"origin": "https://" + appHost, "hosts": []string{appHost}},
	}}})
	g.awaitReady(b, "token")
	return g
}

func load(b testing.TB, entries int, routes map[string][]map[string]any, more map[string]any) *gateway {
	b.Helper()
	gatewaytest.OwnDirectories(b)
	g := &gateway{issuer: tokentest.Start(b), servers: make(map[string]*caddyhttp.Server), now: time.Now()}
	dir := b.TempDir()
	fill(b, dir, g.issuer.URL, entries)
	servers := make(map[string]any)
	ports := porttest.Keep(b, len(routes))
	for name, handlers := range routes {
		servers[name] = map[string]any{
			"listen":          []string{"127.0.0.1:" + ports[len(servers)]},
			"automatic_https": map[string]any{"disable": true},
			"routes":          []any{map[string]any{"handle": append(handlers[:len(handlers):len(handlers)], map[string]any{"handler": "curfew_benchmark_sink"})}},
		}
	}
	app := map[string]any{
		"issuers":  []any{map[string]any{"url": g.issuer.URL, "audiences": []string{"api"}, "device_claim": "device_id", "tenant_claim": "tid"}},
		"policies": map[string]any{"strict": map[string]any{"acr": []string{"mfa"}, "max_age": "10m", "scope": []string{"read"}, "claims": []map[string]any{{"name": "groups", "values": []string{"staff"}}}}},
		"ledger":   map[string]any{"local": map[string]any{"dir": dir}},
		"on_empty": "start",
	}
	maps.Copy(app, more)
	config := map[string]any{
		"admin":   map[string]any{"disabled": true, "config": map[string]any{"persist": false}},
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"level": "ERROR"}}},
		"apps": map[string]any{
			"http":   map[string]any{"servers": servers},
			"curfew": app,
		},
	}
	gatewaytest.Load(b, caddyconfig.JSON(config, nil))
	loaded, err := caddy.ActiveContext().App("http")
	if err != nil {
		b.Fatal(err)
	}
	g.servers = loaded.(*caddyhttp.App).Servers
	return g
}

// fill writes a ledger with a sign_in cut for each of n users.
func fill(b testing.TB, dir, issuer string, entries int) {
	b.Helper()
	l, err := local.Open(local.Options{Dir: dir, OnEmpty: local.Start})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	through := time.Now().Add(-time.Minute).Unix()
	for at := 0; at < entries; at += revocation.MaxRecords {
		records := make([]revocation.Record, min(revocation.MaxRecords, entries-at))
		for i := range records {
			records[i] = revocation.Record{
				Type: revocation.Cut, Mode: revocation.SignIn, At: through * 1000, Time: through * 1000, Through: through, Keep: 7_776_000,
				Target: revocation.Target{Issuer: issuer, Subject: "revoked-" + strconv.Itoa(at+i)}, Source: "admin", Actor: "micro",
			}
		}
		if _, _, err := l.Append(context.Background(), records, ledger.Idempotency{}); err != nil {
			b.Fatal(err)
		}
	}
}

// awaitReady waits until a guarded server admits a token.
func (g *gateway) awaitReady(b testing.TB, server string) {
	b.Helper()
	raw := g.token("probe")
	gatewaytest.Until(b, "the gateway is ready", func() bool {
		w := httptest.NewRecorder()
		g.servers[server].ServeHTTP(w, request(raw))
		return w.Code == http.StatusNoContent
	})
}

// token returns a token of about 1,000 characters with all the usual claims.
func (g *gateway) token(subject string, more ...tokentest.Claims) string {
	c := g.issuer.Claims("api", g.now)
	maps.Copy(c, tokentest.Claims{
		"sub": subject, "jti": "jti-" + subject, "sid": "sid-" + subject, "device_id": "device-" + subject, "tid": "contoso",
		"scope": "read write", "acr": "mfa", "amr": []string{"pwd", "otp"}, "groups": []string{"guests", "staff"}, "pad": strings.Repeat("x", 330),
	})
	return g.issuer.Sign(c, more...)
}

// request returns a request like one of a browser's fetch through net/http.
func request(raw string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/orders/17", nil)
	r.Header = http.Header{
		"Authorization": {"Bearer " + raw}, "Accept": {"application/json"}, "Accept-Encoding": {"gzip"},
		"User-Agent": {"benchmark/1"}, "Accept-Language": {"en"},
	}
	return r
}

// answer is a response writer that keeps the status alone.
type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return len(p), nil }
func (a *answer) WriteHeader(status int)      { a.status = status }

// visitor sends one request again and again. Headers that a guard writes must
// not be there the next time.
type visitor struct {
	server *caddyhttp.Server
	r      *http.Request
	header http.Header // as the client sent it
	w      answer
}

func (g *gateway) visitor(server, raw string) *visitor {
	r := request(raw)
	return &visitor{server: g.servers[server], r: r, header: r.Header, w: answer{header: make(http.Header)}}
}

func (v *visitor) visit() error {
	h := make(http.Header, len(v.header)) // as net/http makes it
	maps.Copy(h, v.header)
	v.r.Header = h
	if v.server.ServeHTTP(&v.w, v.r); v.w.status != http.StatusNoContent {
		return fmt.Errorf("answered %d", v.w.status)
	}
	return nil
}
