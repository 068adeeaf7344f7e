package deploy_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What docs/cluster.md quotes of a node's `why` is what nodes say.
func TestPageQuotesTheCode(t *testing.T) {
	var paths []string
	for _, dir := range []string{"../ledger/nats", "../node", "../revocation", "../caddymodule"} {
		found, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	var code strings.Builder
	for _, path := range paths {
		if !strings.HasSuffix(path, "_test.go") {
			code.WriteString(read(t, path))
		}
	}
	_, table, _ := strings.Cut(read(t, "../docs/cluster.md"), "\n| `why` has |")
	table, _, _ = strings.Cut(table, "\n\n")
	quoted := regexp.MustCompile("`([^`]+)`")
	found := 0
	for line := range strings.Lines(table) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		for _, m := range quoted.FindAllStringSubmatch(first, -1) {
			found++
			if !strings.Contains(code.String(), m[1]) {
				t.Errorf("no node says %q", m[1])
			}
		}
	}
	if found < 8 {
		t.Errorf("%d quotations: the table is not found", found)
	}
}

// The alerts of the page are rules that Prometheus can read.
func TestAlerts(t *testing.T) {
	_, text, _ := strings.Cut(read(t, "../docs/cluster.md"), "```yaml\n")
	text, _, _ = strings.Cut(text, "\n```")
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	from := yaml.NewDecoder(strings.NewReader(text))
	from.KnownFields(true)
	if err := from.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	if len(rules.Groups) != 1 || len(rules.Groups[0].Rules) == 0 {
		t.Fatalf("%d groups", len(rules.Groups))
	}
	for _, r := range rules.Groups[0].Rules {
		if r.Alert == "" || r.Expr == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
			t.Errorf("a rule lacks something: %+v", r)
		}
	}
}
