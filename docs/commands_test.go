package docs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/caddymodule/cli"
	"curfew.dev/curfew/caddymodule/demo"
)

var (
	// The end of a command is that of the code it is in, or of the shell's.
	command = regexp.MustCompile("caddy curfew ([^`\"|;<>&\n]+)")
	flag    = regexp.MustCompile(`(?:^|\s)--([a-z][a-z0-9-]*)`)
	goPath  = regexp.MustCompile(`\bgo (?:run|build|test) (?:-\S+ )*(\./[a-z./]*)`)
)

// Commands that pages name exist, with their flags.
func TestCommands(t *testing.T) {
	group := &cobra.Command{Use: "curfew"}
	cli.Command(demo.Command()).CobraFunc(group)
	found := 0
	for _, p := range pages(t) {
		for _, m := range command.FindAllStringSubmatch(p.text, -1) {
			words := strings.Fields(m[1])
			name := strings.Trim(words[0], ".,…")
			if name == "" || strings.HasPrefix(name, "<") {
				continue
			}
			found++
			sub, _, err := group.Find([]string{name})
			if err != nil || sub == group {
				t.Errorf("%s names `caddy curfew %s`, which does not exist", p.path, name)
				continue
			}
			for _, f := range flag.FindAllStringSubmatch(m[1], -1) {
				if sub.Flags().Lookup(f[1]) == nil && group.PersistentFlags().Lookup(f[1]) == nil {
					t.Errorf("%s: `caddy curfew %s` has no flag --%s", p.path, name, f[1])
				}
			}
		}
		for _, m := range goPath.FindAllStringSubmatch(p.text, -1) {
			if _, err := os.Stat(filepath.Join("..", strings.TrimSuffix(m[1], "..."))); err != nil {
				t.Errorf("%s: %s: %v", p.path, m[0], err)
			}
		}
	}
	if found < 10 {
		t.Errorf("%d commands: they are not found", found)
	}
}

// Flags that the table of targets names are those of sign-out.
func TestTargetFlags(t *testing.T) {
	group := &cobra.Command{Use: "curfew"}
	cli.Command().CobraFunc(group)
	signOut, _, err := group.Find([]string{"sign-out"})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows(read(t, "sign-out.md").section(t, "## Targets")) {
		for _, f := range flag.FindAllStringSubmatch(strings.Join(codes(row[1]), " "), -1) {
			if signOut.Flags().Lookup(f[1]) == nil {
				t.Errorf("sign-out has no flag --%s", f[1])
			}
		}
	}
}

// Paths of the API that pages name are in its description.
func TestPaths(t *testing.T) {
	var described struct {
		Paths map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(read(t, "openapi.json").text), &described); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for path := range described.Paths {
		paths = append(paths, strings.ReplaceAll(regexp.QuoteMeta(path), `\{id\}`, `[^/]+`))
	}
	known := regexp.MustCompile("^(" + strings.Join(paths, "|") + ")$")
	named := regexp.MustCompile(`/v1/[a-z][a-zA-Z0-9/_.-]*`)
	for _, p := range pages(t) {
		for _, path := range named.FindAllString(p.text, -1) {
			if !known.MatchString(strings.TrimRight(path, ".,")) {
				t.Errorf("%s names %s, which is not in openapi.json", p.path, path)
			}
		}
	}
}
