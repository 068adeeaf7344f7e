//go:build e2e

package e2e

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
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
}

// gateway is a Caddy process in front of an upstream, with a home directory,
// ports and secrets of its own, which stay the same when it is started again.
type gateway struct {
	config
	Issuer, Upstream        string
	App, API, Ops, Endpoint string // host:port
	Secrets, AccessLog      string // paths

	home     string
	binary   string
	log      *os.File // everything the process wrote to stderr
	upstream *upstream
	process  *process
	client   *http.Client
}

func newGateway(t *testing.T, p *provider, c config) *gateway {
	t.Helper()
	binary, err := buildCaddy()
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{
		config: c, Issuer: p.Issuer, upstream: newUpstream(t), home: t.TempDir(), binary: binary, log: logFile(t, "caddy"),
		App: freeAddress(t), API: freeAddress(t), Ops: freeAddress(t), Endpoint: freeAddress(t),
		client: &http.Client{
			Timeout:       patience,
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	t.Cleanup(g.client.CloseIdleConnections)
	g.Upstream = g.upstream.address()
	g.Secrets, g.AccessLog = g.path("secrets"), g.path("access.log")
	if err := os.Mkdir(g.Secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"read", "write", "break_glass"} {
		g.write(t, filepath.Join("secrets", role), random())
	}
	g.configure(t)
	g.start(t)
	t.Cleanup(func() { g.stop(t) })
	return g
}

func (g *gateway) path(name string) string { return filepath.Join(g.home, name) }

func (g *gateway) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(g.path(name), []byte(content), 0o600); err != nil {
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
	var b bytes.Buffer
	if err := caddyfile.Execute(&b, g); err != nil {
		t.Fatal(err)
	}
	g.write(t, "Caddyfile", b.String())
}

// command is a caddy command at home.
func (g *gateway) command(args ...string) *exec.Cmd {
	cmd := exec.Command(g.binary, args...)
	cmd.Dir = g.home
	cmd.Env = append(os.Environ(),
		"HOME="+g.home, "XDG_DATA_HOME="+g.path("data"), "XDG_CONFIG_HOME="+g.path("config"), "CADDY_ADMIN="+g.Endpoint)
	return cmd
}

// begin starts the process without waiting until it serves.
func (g *gateway) begin(t *testing.T) {
	t.Helper()
	cmd := g.command("run", "--config", "Caddyfile")
	cmd.Stderr = g.log
	g.process = start(t, cmd)
}

func (g *gateway) start(t *testing.T) {
	t.Helper()
	g.begin(t)
	g.awaitReady(t)
}

// awaitReady waits until the gateway says that it can decide.
func (g *gateway) awaitReady(t *testing.T) {
	t.Helper()
	eventually(t, patience, "the gateway is ready", func() error {
		if !g.process.running() {
			t.Fatalf("caddy has ended with %d", g.process.ProcessState.ExitCode())
		}
		status, err := g.health("/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("/readyz answers %d", status)
		}
		return err
	})
}

func (g *gateway) health(path string) (int, error) {
	resp, err := g.client.Get("http://" + g.Ops + path)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// stop ends the process as a service manager does. It must go quietly.
func (g *gateway) stop(t *testing.T) {
	t.Helper()
	if !g.process.running() {
		return
	}
	if status := g.process.signal(t, syscall.SIGTERM); status != 0 {
		t.Errorf("caddy ends with %d on SIGTERM, want 0", status)
	}
	g.client.CloseIdleConnections()
	if log := g.read(t, g.log.Name()); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
		t.Errorf("caddy had a race or a panic:\n%s", tail(g.log.Name(), 4000))
	}
}

// kill is kill -9.
func (g *gateway) kill(t *testing.T) {
	t.Helper()
	g.process.signal(t, os.Kill)
	g.client.CloseIdleConnections()
}

// reload has the running process load the Caddyfile again, as it is now.
func (g *gateway) reload(t *testing.T) error {
	t.Helper()
	out, err := g.command("reload", "--config", "Caddyfile", "--force").CombinedOutput()
	if err != nil {
		return fmt.Errorf("reloading: %w\n%s", err, out)
	}
	return nil
}

func (g *gateway) reloadsWell(t *testing.T) {
	t.Helper()
	if err := g.reload(t); err != nil {
		t.Fatal(err)
	}
}

// reloadsBadly loads a configuration that fails after most of it was
// provisioned. The one before must go on as if nothing had happened.
func (g *gateway) reloadsBadly(t *testing.T) {
	t.Helper()
	g.Extra = "\n\nhttp://" + freeAddress(t) + " {\n\tcurfew nowhere_defined\n}"
	g.configure(t)
	if err := g.reload(t); err == nil {
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
	resp, err := g.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, body}, err
}

// patience is how long a test waits for what must come about. A machine that is
// busy with other tests may take long, and nothing follows from that.
const patience = time.Minute

// eventually polls until there is no error any more.
func eventually(t *testing.T, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting until %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
