//go:build e2e

package deploy_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// promtool is Prometheus' own parser, of Debian's package prometheus.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing: apt-get install prometheus")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = "observability"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPrometheusTakesTheRules(t *testing.T) {
	promtool(t, "check", "rules", "--lint-fatal", "alerts.yml", "objectives.yml")
}

func TestAlertsFireAndResolve(t *testing.T) {
	promtool(t, "test", "rules", "curfew.test.yml")
}

// Each expression of the dashboard is one that Prometheus parses.
func TestPrometheusParsesTheDashboard(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "observability/dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	var rules []map[string]string
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "1m", "$job", "curfew", "$instance", ".*").Replace(target.Expr)
			record := "dashboard:" + strings.Repeat("x", len(rules)+1) // promtool refuses a name twice
			rules = append(rules, map[string]string{"record": record, "expr": expr})
		}
	}
	if len(rules) < 20 {
		t.Fatalf("%d expressions", len(rules))
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	write(t, file, string(text))
	promtool(t, "check", "rules", file)
}
