package gatewaytest

import (
	"bytes"
	"fmt"
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

// Gateway is a Caddy process with a home directory and addresses of its own,
// which stay the same when it is started again. Its Caddyfile serves curfew_health
// and Caddy's own API at the addresses that are named here.
type Gateway struct {
	Name          string // for messages
	Home          string
	Ops, Endpoint string // host:port of curfew_health and of Caddy's own API
	Client        *http.Client
	Binary        string                    // empty: that of [Caddy]
	Env           []string                  // added to that of this process
	Wrap          func(*exec.Cmd) *exec.Cmd // nil: the command is run as it is

	Process *Process // the last that was started; nil: none
}

// Path returns the path of a file at home.
func (g *Gateway) Path(name string) string { return filepath.Join(g.Home, filepath.FromSlash(name)) }

// Log returns the path of the file that holds all output of its processes.
func (g *Gateway) Log() string { return g.Path("log") }

// Configure writes the Caddyfile.
func (g *Gateway) Configure(t testing.TB, caddyfile *template.Template, values any) {
	t.Helper()
	var text bytes.Buffer
	err := caddyfile.Execute(&text, values)
	if err == nil {
		err = os.WriteFile(g.Path("Caddyfile"), text.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Command is a caddy command at home.
func (g *Gateway) Command(args ...string) *exec.Cmd {
	binary := g.Binary
	if binary == "" {
		var err error
		if binary, err = Caddy(); err != nil {
			panic(err) // the test has built it before
		}
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = g.Home
	cmd.Env = append(os.Environ(),
		"HOME="+g.Home, "XDG_DATA_HOME="+g.Path("data"), "XDG_CONFIG_HOME="+g.Path("config"), "CADDY_ADMIN="+g.Endpoint)
	cmd.Env = append(cmd.Env, g.Env...)
	return cmd
}

// Begin starts a process with the Caddyfile, and does not wait until it serves.
func (g *Gateway) Begin(t testing.TB) {
	t.Helper()
	cmd := g.Command("run", "--config", "Caddyfile")
	if g.Wrap != nil {
		cmd = g.Wrap(cmd)
	}
	var err error
	if g.Process, err = StartLogged(cmd, g.Log()); err != nil {
		t.Fatal(err)
	}
}

// Start starts a process and waits until it says that it can decide.
func (g *Gateway) Start(t testing.TB) {
	t.Helper()
	g.Begin(t)
	g.AwaitReady(t)
}

// Reload has the running process load the Caddyfile again, as it is now.
func (g *Gateway) Reload() error {
	if out, err := g.Command("reload", "--config", "Caddyfile", "--force").CombinedOutput(); err != nil {
		return fmt.Errorf("reloading %s: %w\n%s", g.Name, err, out)
	}
	return nil
}

// AwaitReady waits until the gateway says that it can decide.
func (g *Gateway) AwaitReady(t testing.TB) {
	t.Helper()
	Eventually(t, Patience, g.Name+" is ready", func() error {
		if !g.Process.Running() {
			t.Fatalf("%s has ended with %d:\n%s", g.Name, g.Process.ProcessState.ExitCode(), Tail(g.Log()))
		}
		return g.Ready()
	})
}

// Ready returns nil if the gateway says that it can decide.
func (g *Gateway) Ready() error {
	status, err := g.Health("/readyz")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("/readyz answers %d", status)
	}
	return err
}

// Health asks a path of curfew_health.
func (g *Gateway) Health(path string) (status int, err error) {
	resp, err := g.Client.Get("http://" + g.Ops + path)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// Stop ends the process as a service manager does. The test fails unless it ends
// with 0, without a data race and without a panic.
func (g *Gateway) Stop(t testing.TB) {
	t.Helper()
	if !g.Process.Running() {
		return
	}
	if err := g.Process.End(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if status := g.Process.ProcessState.ExitCode(); status != 0 {
		t.Errorf("%s ends with %d on SIGTERM, want 0:\n%s", g.Name, status, Tail(g.Log()))
	}
	g.Client.CloseIdleConnections()
	b, err := os.ReadFile(g.Log())
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(string(b), "DATA RACE") || strings.Contains(string(b), "panic:") {
		t.Errorf("%s had a race or a panic:\n%s", g.Name, Tail(g.Log()))
	}
}

// Kill is kill -9.
func (g *Gateway) Kill(t testing.TB) {
	t.Helper()
	if err := g.Process.End(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	g.Client.CloseIdleConnections()
}

// Tail returns the end of a log, without the lines of calls of the admin API.
func Tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	var kept []string
	for line := range strings.Lines(string(b)) {
		if !strings.Contains(line, `"took":`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-25):], "")
}

// Eventually polls until there is no error any more, and returns how long that
// took.
func Eventually(t testing.TB, within time.Duration, what string, check func() error) (took time.Duration) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := check()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > within {
			t.Fatalf("waiting until %s: %v", what, err)
		}
	}
}
