//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"curfew.dev/curfew/internal/gatewaytest"
)

// provider is a running oidc-provider (provider/provider.mjs).
type provider struct {
	Issuer  string `json:"issuer"`
	Control string `json:"control"`

	process *gatewaytest.Process
}

// newProvider starts one. Arguments are those of provider.mjs.
func newProvider(t *testing.T, args ...string) *provider {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		gatewaytest.Missing(t, "Node is not installed: install Node 20 or newer, then run `npm ci` in e2e/provider")
	}
	if _, err := os.Stat(filepath.Join("provider", "node_modules", "oidc-provider")); err != nil {
		gatewaytest.Missing(t, "the provider is not installed: run `npm ci` in e2e/provider")
	}
	cmd := exec.Command(node, append([]string{"provider.mjs"}, args...)...)
	cmd.Dir = "provider"
	cmd.Stderr = logFile(t, "provider")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil { // held open: the provider ends with it
		t.Fatal(err)
	}
	p := &provider{process: start(t, cmd)}
	t.Cleanup(func() { _ = p.process.End(os.Kill) })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "{") {
			break
		}
	}
	if err := json.Unmarshal(lines.Bytes(), p); err != nil {
		t.Fatalf("the provider did not say where it is: %v", err)
	}
	return p
}

// address is its host and port.
func (p *provider) address() string { return strings.TrimPrefix(p.Issuer, "http://") }

func (p *provider) port() string { return p.address()[strings.LastIndexByte(p.address(), ':')+1:] }

// rotate makes it sign with a new key. With an overlap the old ones stay
// published.
func (p *provider) rotate(t *testing.T, overlap bool) {
	t.Helper()
	p.control(t, "/rotate?overlap="+fmt.Sprint(overlap))
}

// outage makes it answer 503 to everything, or ends that.
func (p *provider) outage(t *testing.T, begins bool) {
	t.Helper()
	p.control(t, "/outage?begins="+fmt.Sprint(begins))
}

func (p *provider) control(t *testing.T, action string) {
	t.Helper()
	resp, err := http.Post(p.Control+action, "", nil)
	if err != nil {
		t.Fatalf("controlling the provider: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("controlling the provider: %s answers %d", action, resp.StatusCode)
	}
}

// token asks the token endpoint.
func (p *provider) token(t *testing.T, client *http.Client, form url.Values) (granted, error) {
	t.Helper()
	resp, err := client.PostForm(p.Issuer+"/token", form)
	if err != nil {
		t.Fatalf("asking for a token: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("asking for a token: %v", err)
	}
	var g granted
	if err := json.Unmarshal(body, &g); err != nil || g.Access == "" {
		return g, fmt.Errorf("asking for a token: %d %s", resp.StatusCode, body)
	}
	return g, nil
}

// granted is an answer of the token endpoint.
type granted struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
}

// logFile is where a child writes; it is shown when the test fails.
func logFile(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		if t.Failed() {
			t.Logf("%s said last:\n%s", name, tail(f.Name(), 4000))
		}
	})
	return f
}

func tail(path string, n int) string {
	b, _ := os.ReadFile(path)
	return string(b[max(0, len(b)-n):])
}
