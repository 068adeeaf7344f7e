//go:build e2e

package e2e

import (
	_ "embed"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"text/template"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
)

//go:embed testdata/Caddyfile.tmpl
var caddyfileText string

var caddyfile = template.Must(template.New("Caddyfile").Parse(caddyfileText))

// config is what of the Caddyfile a test can choose. The zero value is for most.
type config struct {
	OnEmpty  string // default: start
	LogLevel string // default: INFO
	LogUser  string // default: sub
	Grace    string // default: 2s
	Extra    string // appended

	text *template.Template // default: caddyfile
	Site *site              // of a text that has it
}

// gateway is a Caddy process in front of an upstream, with secrets of its own.
type gateway struct {
	gatewaytest.Gateway
	config
	Issuer, Upstream   string
	App, API           string // host:port
	Secrets, AccessLog string // paths

	upstream *upstream
}

func newGateway(t *testing.T, p *provider, c config) *gateway {
	t.Helper()
	if _, err := gatewaytest.Caddy(); err != nil {
		t.Fatal(err)
	}
	g := &gateway{
		Gateway: gatewaytest.Gateway{
			Name: "caddy", Home: t.TempDir(), Ops: freeAddress(t), Endpoint: freeAddress(t),
			Client: &http.Client{
				Timeout:       patience,
				Transport:     &http.Transport{},
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
		},
		config: c, Issuer: p.Issuer, upstream: newUpstream(t), App: freeAddress(t), API: freeAddress(t),
	}
	t.Cleanup(g.Client.CloseIdleConnections)
	g.Upstream = g.upstream.address()
	g.Secrets, g.AccessLog = g.Path("secrets"), g.Path("access.log")
	if err := os.Mkdir(g.Secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"read", "write", "break_glass"} {
		g.write(t, filepath.Join("secrets", role), random())
	}
	g.configure(t)
	t.Cleanup(func() {
		g.Stop(t)
		if t.Failed() {
			t.Logf("caddy said last:\n%s", gatewaytest.Tail(g.Log()))
		}
	})
	g.Start(t)
	return g
}

func (g *gateway) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(g.Path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (g *gateway) read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// configure writes the Caddyfile.
func (g *gateway) configure(t *testing.T) {
	t.Helper()
	text := g.text
	if text == nil {
		text = caddyfile
	}
	g.Configure(t, text, g)
}

func (g *gateway) reloadsWell(t *testing.T) {
	t.Helper()
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
}

// reloadsBadly loads a configuration that fails after most of it was
// provisioned. The one before must go on as if nothing had happened.
func (g *gateway) reloadsBadly(t *testing.T) {
	t.Helper()
	g.Extra = "\n\nhttp://" + freeAddress(t) + " {\n\tcurfew nowhere_defined\n}"
	g.configure(t)
	if err := g.Reload(); err == nil {
		t.Error("a guard that names an unknown policy was loaded")
	}
	g.Extra = ""
	g.configure(t)
}

// answer is one HTTP answer, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (g *gateway) do(t *testing.T, r *http.Request) answer {
	t.Helper()
	a, err := g.exchange(r)
	if err != nil {
		t.Fatalf("asking the gateway: %v", err)
	}
	return a
}

// exchange is for requests that may meet a dying gateway, and for goroutines,
// which can't end a test.
func (g *gateway) exchange(r *http.Request) (answer, error) {
	resp, err := g.Client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, body}, err
}

const patience = gatewaytest.Patience

// start starts a child.
func start(t *testing.T, cmd *exec.Cmd) *gatewaytest.Process {
	t.Helper()
	p, err := gatewaytest.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// eventually polls until there is no error any more.
func eventually(t *testing.T, within time.Duration, what string, check func() error) {
	t.Helper()
	gatewaytest.Eventually(t, within, what, check)
}
