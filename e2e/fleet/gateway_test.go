//go:build e2e

package fleet

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

// gateway is a Caddy process with a home directory, ports and relays of its own,
// which stay the same when it is started again.
type gateway struct {
	Name, Issuer, Stream, Upstream string
	URLs                           []string // of the servers, through the relays; none: its ledger is local
	Credentials, CA, OnEmpty       string
	MaxStaleness                   time.Duration
	App, API, Ops, Endpoint        string   // host:port
	SealingKeys                    []string // files
	SignIn                         *signIn  // none: nobody signs in here

	home    string
	binary  string // of another build; empty: this one
	log     string // path
	env     []string
	wrap    func(*exec.Cmd) *exec.Cmd
	relays  []*relay
	process *process
	client  *http.Client
}

// command is a caddy command at home.
func (g *gateway) command(args ...string) *exec.Cmd {
	binary, err := g.binary, error(nil)
	if binary == "" {
		binary, err = buildCaddy()
	}
	if err != nil {
		panic(err) // the fleet has built it
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = g.home
	cmd.Env = append(os.Environ(), "HOME="+g.home, "XDG_DATA_HOME="+filepath.Join(g.home, "data"),
		"XDG_CONFIG_HOME="+filepath.Join(g.home, "config"), "CADDY_ADMIN="+g.Endpoint)
	cmd.Env = append(cmd.Env, g.env...)
	return cmd
}

// configure writes the Caddyfile.
func (g *gateway) configure(t *testing.T) {
	t.Helper()
	var text bytes.Buffer
	err := caddyfile.Execute(&text, g)
	if err == nil {
		err = os.WriteFile(filepath.Join(g.home, "Caddyfile"), text.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// reload has the running process take the gateway as it is now.
func (g *gateway) reload(t *testing.T) {
	t.Helper()
	g.configure(t)
	if out, err := g.command("reload", "--config", "Caddyfile").CombinedOutput(); err != nil {
		t.Fatalf("reloading %s: %v\n%s", g.Name, err, out)
	}
}

// begin starts the process without waiting until it serves.
func (g *gateway) begin(t *testing.T) {
	t.Helper()
	g.configure(t)
	cmd := g.command("run", "--config", "Caddyfile")
	if g.wrap != nil {
		cmd = g.wrap(cmd)
	}
	var err error
	if g.process, err = start(cmd, g.log); err != nil {
		t.Fatal(err)
	}
}

func (g *gateway) start(t *testing.T) {
	t.Helper()
	g.begin(t)
	g.awaitReady(t)
}

func (g *gateway) awaitReady(t *testing.T) {
	t.Helper()
	eventually(t, patience, g.Name+" is ready", func() error {
		if !g.process.running() {
			t.Fatalf("%s has ended:\n%s", g.Name, tail(g.log))
		}
		return g.ready()
	})
}

// ready is nil when the gateway says that it can decide.
func (g *gateway) ready() error {
	status, err := g.health("/readyz")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("/readyz answers %d", status)
	}
	return err
}

func (g *gateway) health(path string) (int, error) {
	resp, err := g.client.Get("http://" + g.Ops + path)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// metric is the sum of all lines that begin like this.
func (g *gateway) metric(t *testing.T, prefix string) (sum float64) {
	t.Helper()
	resp, err := g.client.Get("http://" + g.Ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, prefix) {
			var value float64
			fields := strings.Fields(line)
			if _, err := fmt.Sscan(fields[len(fields)-1], &value); err == nil {
				sum += value
			}
		}
	}
	return sum
}

// stop ends the process as a service manager does. It must go quietly.
func (g *gateway) stop(t *testing.T) {
	t.Helper()
	if !g.process.running() {
		return
	}
	if err := g.process.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if status := g.process.ProcessState.ExitCode(); status != 0 {
		t.Errorf("%s ends with %d on SIGTERM:\n%s", g.Name, status, tail(g.log))
	}
	g.client.CloseIdleConnections()
	g.checkLog(t)
}

func (g *gateway) kill(t *testing.T) {
	t.Helper()
	if err := g.process.end(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	g.client.CloseIdleConnections()
}

// checkLog looks for what must never be in it.
func (g *gateway) checkLog(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(g.log)
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(string(b), "DATA RACE") || strings.Contains(string(b), "panic:") {
		t.Errorf("%s had a race or a panic:\n%s", g.Name, tail(g.log))
	}
}

// line sets what passes between this gateway and the servers.
func (g *gateway) line(l line) {
	for _, r := range g.relays {
		r.set(l)
	}
}

// replica is the directory of this node's copy of the ledger.
func (g *gateway) replica() string {
	return filepath.Join(g.home, "data", "caddy", "curfew", "replica", g.Stream+"-"+g.Name)
}

// curfew runs a command of the operator's, beside the gateway.
func (g *gateway) curfew(args ...string) (string, error) {
	out, err := g.command(append([]string{"curfew"}, args...)...).CombinedOutput()
	return string(out), err
}

// answer is one HTTP answer, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (g *gateway) exchange(r *http.Request) (answer, error) {
	resp, err := g.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, body}, err
}

// tail is the end of a log, without the calls of the API.
func tail(path string) string {
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

// eventually polls until there is no error any more.
func eventually(t *testing.T, within time.Duration, what string, check func() error) (took time.Duration) {
	t.Helper()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > within {
			t.Fatalf("waiting until %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// all does something to several gateways at once.
func all(gateways []*gateway, do func(*gateway)) {
	done := make(chan struct{})
	for _, g := range gateways {
		go func() {
			defer func() { done <- struct{}{} }()
			do(g)
		}()
	}
	for range gateways {
		<-done
	}
}
