package deploy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// rule is an alert, or an expression that is recorded.
type rule struct {
	Alert, Record, Expr, For string
	Labels, Annotations      map[string]string
}

func rulesOf(t *testing.T, path string) (all []rule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name, Interval string
			Rules          []rule
		}
	}
	decode(t, path, &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no rules", path)
	}
	return all
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(read(t, path)))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// An alert that wakes somebody says what to do: it has a page with what it means,
// where to look and what to mend, and no page is without its alert.
func TestEveryAlertHasARunbook(t *testing.T) {
	pages, err := filepath.Glob("../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	orphans := make(map[string]bool)
	for _, p := range pages {
		orphans[strings.TrimSuffix(filepath.Base(p), ".md")] = true
	}
	for _, r := range rulesOf(t, "observability/alerts.yml") {
		delete(orphans, r.Alert)
		if want := "https://curfew.dev/docs/runbooks/" + r.Alert + ".md"; r.Annotations["runbook_url"] != want {
			t.Errorf("%s has the runbook_url %q, want %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s has the severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", r.Alert)
		}
		page, err := os.ReadFile("../docs/runbooks/" + r.Alert + ".md")
		if err != nil {
			t.Errorf("%s has no runbook: %v", r.Alert, err)
			continue
		}
		rest := string(page)
		for _, heading := range []string{"# " + r.Alert, "## Meaning", "## Look", "## Mend"} {
			var found bool
			if _, rest, found = strings.Cut(rest, heading+"\n\n"); !found {
				t.Errorf("the runbook of %s has no heading %q, or not in its place", r.Alert, heading)
			}
		}
		fires := "It fires at once."
		if r.For != "" {
			fires = "It fires after " + r.For + "."
		}
		if !strings.Contains(string(page), fires) {
			t.Errorf("the runbook of %s does not say %q", r.Alert, fires)
		}
	}
	for name := range orphans {
		t.Errorf("the runbook %s has no alert", name)
	}
}

// promtool runs the unit tests; this holds them to be complete.
func TestEveryAlertFiresAndResolvesInAUnitTest(t *testing.T) {
	var file struct {
		Tests []struct {
			Alerts []struct {
				Name   string        `yaml:"alertname"`
				At     time.Duration `yaml:"eval_time"`
				Expect []yaml.Node   `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "observability/curfew.test.yml")), &file); err != nil {
		t.Fatal(err)
	}
	fires, resolves := make(map[string]time.Duration), make(map[string]time.Duration)
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			if len(a.Expect) > 0 {
				fires[a.Name] = a.At
			} else {
				resolves[a.Name] = a.At
			}
		}
	}
	for _, r := range rulesOf(t, "observability/alerts.yml") {
		if fires[r.Alert] == 0 || resolves[r.Alert] <= fires[r.Alert] {
			t.Errorf("%s fires after %s and resolves after %s", r.Alert, fires[r.Alert], resolves[r.Alert])
		}
	}
}

// The three objectives are recorded over 30 days.
func TestObjectivesAreRecorded(t *testing.T) {
	var recorded []string
	for _, r := range rulesOf(t, "observability/objectives.yml") {
		recorded = append(recorded, r.Record)
	}
	for _, want := range []string{
		"curfew:revocations_in_force_1s:ratio_rate30d", "curfew:no_stale_node:avg30d", "curfew:decisions_under_1ms:ratio_rate30d",
	} {
		if !strings.Contains(fmt.Sprint(recorded), want) {
			t.Errorf("nothing records %s: %s", want, recorded)
		}
	}
}

func TestAlertsFireForAGatewayThatIsGone(t *testing.T) {
	exprs := make(map[string]string)
	for _, r := range rulesOf(t, "observability/alerts.yml") {
		exprs[r.Alert] = r.Expr
	}
	// A comparison with a metric that is missing is never true.
	if exprs["CurfewDown"] != `up{job="curfew"} == 0` || exprs["CurfewAbsent"] != `absent(curfew_ready{issuer=""})` {
		t.Errorf("%s, %s", exprs["CurfewDown"], exprs["CurfewAbsent"])
	}
}
