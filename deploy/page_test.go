package deploy_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
