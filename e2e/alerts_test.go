//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"curfew.dev/curfew/internal/gatewaytest"
)

// prometheus is a running Prometheus that scrapes one gateway each second, with
// the alerts of deploy/observability.
type prometheus struct{ address string }

// newPrometheus starts one. Its rules are those of operators but for the times:
// what is minutes there is seconds here.
func newPrometheus(t *testing.T, g *gateway) *prometheus {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		gatewaytest.Missing(t, "Prometheus is not installed: apt-get install prometheus")
	}
	dir := t.TempDir()
	rules := g.read(t, filepath.Join("..", "deploy", "observability", "alerts.yml"))
	rules = regexp.MustCompile(`for: \w+`).ReplaceAllString(rules, "for: 1s")
	rules = regexp.MustCompile(`\[\w+\]`).ReplaceAllString(rules, "[8s]")
	for name, content := range map[string]string{"alerts.yml": rules, "prometheus.yml": `
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: curfew
    static_configs: [{targets: ["` + g.Ops + `"]}]
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &prometheus{freeAddress(t)}
	cmd := exec.Command(binary, "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", p.address, "--log.level", "warn")
	cmd.Stderr = logFile(t, "prometheus")
	process := start(t, cmd)
	t.Cleanup(func() { _ = process.End(os.Kill) })
	eventually(t, patience, "Prometheus has scraped the gateway", func() error {
		var got struct{ Data struct{ Result []any } }
		if err := p.ask("/api/v1/query?query=curfew_build_info", &got); err != nil {
			return err
		}
		if len(got.Data.Result) == 0 {
			return fmt.Errorf("no sample of the gateway")
		}
		return nil
	})
	return p
}

func (p *prometheus) ask(path string, into any) error {
	resp, err := http.Get("http://" + p.address + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// states are those of the alerts that are pending or firing.
func (p *prometheus) states() (map[string]string, error) {
	var got struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	err := p.ask("/api/v1/alerts", &got)
	of := make(map[string]string)
	for _, a := range got.Data.Alerts {
		of[a.Labels["alertname"]] = a.State
	}
	return of, err
}

// await waits until alerts fire, or until none of them does. Meanwhile it goes on
// doing something.
func (p *prometheus) await(t *testing.T, state string, meanwhile func(), alerts ...string) {
	t.Helper()
	eventually(t, patience, strings.Join(alerts, ", ")+" "+state, func() error {
		if meanwhile != nil {
			meanwhile()
		}
		states, err := p.states()
		for _, a := range alerts {
			if err == nil && (states[a] == "firing") != (state == "fires") {
				err = fmt.Errorf("%s is %q, among %v", a, states[a], states)
			}
		}
		return err
	})
}

// TestAlertsOfABrokenGateway breaks one gateway in five ways. The alerts that tell
// of it fire, and resolve when it is mended.
func TestAlertsOfABrokenGateway(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		gatewaytest.Missing(t, "run as root: a file system is mounted for the ledger")
	}
	p := newProvider(t)
	g := newGateway(t, p, config{})
	g.cut(t, object{"target": g.target("sub", "alice"), "reason": "find me in the file"})
	prom := newPrometheus(t, g)
	// Before the first scrape no gateway is there; afterwards all is well.
	prom.await(t, "resolves", nil, "CurfewAbsent", "CurfewDown", "CurfewNotReady", "CurfewIssuerNotReady", "CurfewLedgerDamaged",
		"CurfewLedgerWritesFail", "CurfewAdminCallsRefused")

	refused := func() {
		r := g.as("read").request(t, http.MethodGet, "/v1/nodes", nil)
		r.Header.Set("Authorization", "Bearer "+random())
		g.do(t, r)
	}
	prom.await(t, "fires", refused, "CurfewAdminCallsRefused")
	prom.await(t, "resolves", nil, "CurfewAdminCallsRefused")

	g.Stop(t)
	prom.await(t, "fires", nil, "CurfewDown", "CurfewAbsent")
	p.outage(t, true)
	g.Begin(t)
	prom.await(t, "fires", nil, "CurfewNotReady", "CurfewIssuerNotReady")
	prom.await(t, "resolves", nil, "CurfewDown", "CurfewAbsent")
	p.outage(t, false)
	prom.await(t, "resolves", nil, "CurfewNotReady", "CurfewIssuerNotReady")

	g.Stop(t)
	ledger := g.Path("data/caddy/curfew/ledger")
	sound := g.Path("sound")
	run(t, "cp", "-a", ledger, sound)
	tamper(t, ledger, "find me in the file", "Find me in the file")
	g.Begin(t)
	prom.await(t, "fires", nil, "CurfewLedgerDamaged")
	g.Stop(t)
	run(t, "rm", "-r", ledger)
	run(t, "mkdir", "-m", "700", ledger)
	run(t, "mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", ledger)
	t.Cleanup(func() {
		g.Stop(t)
		run(t, "umount", ledger)
	})
	run(t, "cp", "-a", sound+"/.", ledger)
	g.Start(t)
	prom.await(t, "resolves", nil, "CurfewLedgerDamaged")

	filler := filepath.Join(ledger, "filler")
	_ = exec.Command("dd", "if=/dev/zero", "of="+filler, "bs=64k").Run() // ends when there is no room
	n := 0
	write := func() int {
		n++
		return g.as("write").call(t, http.MethodPost, "/v1/revocations",
			object{"target": g.target("sub", fmt.Sprint("user-", n)), "reason": strings.Repeat("long ", 40)}).status
	}
	prom.await(t, "fires", func() { write() }, "CurfewDiskNearlyFull", "CurfewLedgerWritesFail")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "-o", "remount,size=8g", ledger)
	if got := write(); got != http.StatusCreated {
		t.Errorf("a write when there is room again: %d", got)
	}
	prom.await(t, "resolves", nil, "CurfewDiskNearlyFull", "CurfewLedgerWritesFail")
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
