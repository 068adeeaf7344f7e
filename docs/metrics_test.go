package docs_test

import (
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The metrics of a gateway that has decided, been asked and written are those
// of the page, with the same type and labels.
func TestMetrics(t *testing.T) {
	scraped := scrape(t, startGateway(t))
	documented := documentedMetrics(t)
	differ(t, "metric", names(documented), names(scraped))
	for name, want := range documented {
		if got, ok := scraped[name]; ok && got != want {
			t.Errorf("%s is documented as %s, and is %s", name, want, got)
		}
	}
}

// What other pages say of metrics is about metrics that exist.
func TestMetricsThatPagesName(t *testing.T) {
	documented := names(documentedMetrics(t))
	// Modules are named like metrics.
	others := []string{"curfew_admin", "curfew_sign_in", "curfew_health", "curfew_any_reading"}
	suffix := regexp.MustCompile(`_(bucket|sum|count)$`)
	for _, p := range pages(t) {
		for _, name := range regexp.MustCompile(`\bcurfew_[a-z_]+`).FindAllString(p.text, -1) {
			if !slices.Contains(documented, name) && !slices.Contains(documented, suffix.ReplaceAllString(name, "")) &&
				!slices.Contains(others, name) {
				t.Errorf("%s names the metric %s, which is not in metrics.md", p.path, name)
			}
		}
	}
}

// The metrics that rules, their unit tests and the dashboard name are those of a
// running gateway, with labels that they have.
func TestRulesAndTheDashboardNameMetricsThatExist(t *testing.T) {
	status, text := get(t, startGateway(t)+"/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("scraping: %d", status)
	}
	scraped := parseMetrics(text)
	series := regexp.MustCompile(`\b((?:curfew|go)_[a-z_]+[a-z])(?:\{([^}]*)\})?`)
	selector := regexp.MustCompile(`(\w+)\\?\s*(?:=~|!=|!~|=)`)
	suffix := regexp.MustCompile(`_(bucket|sum|count)$`)
	paths, err := filepath.Glob("../deploy/observability/*.*")
	if err != nil || len(paths) != 4 {
		t.Fatalf("%d files, %v; want 4", len(paths), err)
	}
	for _, path := range paths {
		for _, m := range series.FindAllStringSubmatch(read(t, path).text, -1) {
			name := m[1]
			of, known := scraped[name]
			if !known {
				name = suffix.ReplaceAllString(name, "")
				of, known = scraped[name]
			}
			if strings.HasPrefix(name, "go_") {
				known = strings.Contains(text, "\n"+name+" ")
			}
			if !known {
				t.Errorf("%s names %s, which no gateway has", path, m[1])
				continue
			}
			for _, l := range selector.FindAllStringSubmatch(m[2], -1) {
				common := slices.Contains([]string{"job", "instance", "le"}, l[1])
				if !common && !slices.Contains(strings.Split(of.labels+","+documentedMetrics(t)[name].labels, ","), l[1]) {
					t.Errorf("%s asks for the label %s of %s, which has %s", path, l[1], name, of.labels)
				}
			}
		}
	}
}

// form is a metric's type and its labels, sorted.
type form struct{ kind, labels string }

func (f form) String() string { return f.kind + " {" + f.labels + "}" }

func names(of map[string]form) []string {
	var all []string
	for name := range of {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func documentedMetrics(t *testing.T) map[string]form {
	t.Helper()
	all := make(map[string]form)
	for _, row := range rows(read(t, "metrics.md").text) {
		name, labels := codes(row[0]), codes(row[2])
		if len(name) != 1 || len(row) != 4 || row[3] == "" {
			t.Fatalf("a row of metrics.md has another form: %q", row)
		}
		if _, twice := all[name[0]]; twice {
			t.Errorf("%s is documented twice", name[0])
		}
		slices.Sort(labels)
		all[name[0]] = form{row[1], strings.Join(labels, ",")}
	}
	return all
}

var (
	typeLine = regexp.MustCompile(`(?m)^# TYPE (curfew_\w+) (\w+)$`)
	sample   = regexp.MustCompile(`(?m)^(curfew_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$`)
	label    = regexp.MustCompile(`(\w+)="(?:[^"\\]|\\.)*"`)
)

// parseMetrics reads the text format, as far as it says what there is.
func parseMetrics(text string) map[string]form {
	all := make(map[string]form)
	for _, m := range typeLine.FindAllStringSubmatch(text, -1) {
		all[m[1]] = form{kind: m[2]}
	}
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		var labels []string
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "le" {
				labels = append(labels, l[1])
			}
		}
		slices.Sort(labels)
		all[m[1]] = form{all[m[1]].kind, strings.Join(labels, ",")}
	}
	return all
}

func TestParseMetrics(t *testing.T) {
	got := parseMetrics("# HELP curfew_a x\n# TYPE curfew_a histogram\ncurfew_a_bucket{p=\"\\\"}\",le=\"1\"} 1\ncurfew_a_sum{p=\"q\"} 2\n# TYPE curfew_b gauge\ncurfew_b 1\n")
	if len(got) != 2 || got["curfew_a"] != (form{"histogram", "p"}) || got["curfew_b"] != (form{"gauge", ""}) {
		t.Errorf("%v", got)
	}
}
