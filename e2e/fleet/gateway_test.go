//go:build e2e

package fleet

import (
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"text/template"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
)

//go:embed testdata/Caddyfile.tmpl
var caddyfileText string

var caddyfile = template.Must(template.New("Caddyfile").Parse(caddyfileText))

// gateway is a Caddy process with relays of its own.
type gateway struct {
	gatewaytest.Gateway
	Issuer, Stream, Upstream string
	URLs                     []string // of the servers, through the relays; none: its ledger is local
	Credentials, CA, OnEmpty string
	MaxStaleness             time.Duration
	App, API                 string   // host:port
	SealingKeys              []string // files
	SignIn                   *signIn  // none: nobody signs in here

	relays []*relay
}

// reload has the running process take the gateway as it is now.
func (g *gateway) reload(t *testing.T) {
	t.Helper()
	g.Configure(t, caddyfile, g)
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
}

// begin writes the Caddyfile and starts the process without waiting until it
// serves.
func (g *gateway) begin(t *testing.T) {
	t.Helper()
	g.Configure(t, caddyfile, g)
	g.Begin(t)
}

func (g *gateway) start(t *testing.T) {
	t.Helper()
	g.begin(t)
	g.AwaitReady(t)
}

// metric is the sum of all lines that begin like this.
func (g *gateway) metric(t *testing.T, prefix string) (sum float64) {
	t.Helper()
	resp, err := g.Client.Get("http://" + g.Ops + "/metrics")
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

// line sets what passes between this gateway and the servers.
func (g *gateway) line(l line) {
	for _, r := range g.relays {
		r.set(l)
	}
}

// replica is the directory of this node's copy of the ledger.
func (g *gateway) replica() string {
	return g.Path("data/caddy/curfew/replica/" + g.Stream + "-" + g.Name)
}

// curfew runs a command of the operator's, beside the gateway.
func (g *gateway) curfew(args ...string) (string, error) {
	out, err := g.Command(append([]string{"curfew"}, args...)...).CombinedOutput()
	return string(out), err
}

// answer is one HTTP answer, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (g *gateway) exchange(r *http.Request) (answer, error) {
	resp, err := g.Client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, body}, err
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
