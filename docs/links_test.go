package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksResolve(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(p.text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := p
			if target != "" {
				path := filepath.Join(filepath.Dir(p.path), target)
				if _, err := os.Stat(path); err != nil {
					t.Errorf("%s links to %s, which is not there", p.path, m[1])
					continue
				}
				if anchor != "" {
					to = read(t, path)
				}
			}
			if anchor != "" && !slices.Contains(to.anchors(), anchor) {
				t.Errorf("%s links to %s, and %s has no such heading", p.path, m[1], to.path)
			}
		}
	}
}

var (
	heading    = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notAnchors = regexp.MustCompile("[^a-z0-9 _-]+")
)

// anchors are those that GitHub gives to headings.
func (p page) anchors() []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(p.text, -1) {
		anchor := notAnchors.ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(anchor, " ", "-"))
	}
	return all
}

// Each decision has a number of its own, and they say what there was to choose, what
// was chosen and what it costs.
func TestDecisions(t *testing.T) {
	paths, err := filepath.Glob("decisions/*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no decisions: %v", err)
	}
	slices.Sort(paths)
	form := regexp.MustCompile(`(?s)^# \d{4}: .+\n\n## Context\n.+\n## Choice\n.+\n## Cost\n.+`)
	last := ""
	for _, path := range paths {
		number := filepath.Base(path)[:4]
		if number == last {
			t.Errorf("%s has the number of the one before", path)
		}
		last = number
		if text := read(t, path).text; !form.MatchString(text) || !strings.HasPrefix(text, "# "+number+":") {
			t.Errorf("%s is not of the form: number and title, Context, Choice, Cost", path)
		}
	}
}

func TestChangelogHasRoomForTheNextChange(t *testing.T) {
	text := read(t, "../CHANGELOG.md").text
	first := regexp.MustCompile(`(?m)^## .*$`).FindString(text)
	if first != "## [Unreleased]" {
		t.Errorf("its first section is %q, want ## [Unreleased]", first)
	}
}
