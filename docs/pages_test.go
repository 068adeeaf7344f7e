package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is one Markdown file.
type page struct {
	path string // from here
	text string
}

// pages are those of this folder and of the root.
func pages(t *testing.T) []page {
	t.Helper()
	paths, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []page
	for _, path := range paths {
		all = append(all, read(t, path))
	}
	if len(all) < 10 {
		t.Fatalf("%d pages: they are looked for in the wrong place", len(all))
	}
	return all
}

func read(t *testing.T, path string) page {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return page{path, string(b)}
}

// block is a fenced block, without the indentation of the list it may be in.
type block struct{ language, text string }

var fence = regexp.MustCompile("(?ms)^( *)```([a-z]*)\n(.*?)^ *```$")

func (p page) blocks() []block {
	var all []block
	for _, m := range fence.FindAllStringSubmatch(p.text, -1) {
		lines := strings.SplitAfter(m[3], "\n")
		for i := range lines {
			lines[i] = strings.TrimPrefix(lines[i], m[1])
		}
		all = append(all, block{m[2], strings.Join(lines, "")})
	}
	return all
}

// section is what stands under a heading, up to the next one of any level.
func (p page) section(t *testing.T, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(p.text, "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", p.path, heading)
	}
	text, _, _ := strings.Cut(rest, "\n#")
	return text
}

var cellSeparator = regexp.MustCompile(`(^|[^\\])\|`)

// rows are those of the tables in a text, without heads, each as its cells.
func rows(text string) [][]string {
	var all [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		line = cellSeparator.ReplaceAllString(strings.Trim(line, "|"), "$1\x00")
		cells := strings.Split(line, "\x00")
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], `\|`, "|"))
		}
		if strings.Trim(cells[0], "-") == "" && cells[0] != "" && len(all) > 0 {
			all = all[:len(all)-1] // the head was before it
			continue
		}
		all = append(all, cells)
	}
	return all
}

var code = regexp.MustCompile("`([^`]+)`")

// codes are the words of a cell that are set as code.
func codes(cell string) []string {
	var all []string
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}

// differ reports what only one of two sets has.
func differ(t *testing.T, what string, documented, existing []string) {
	t.Helper()
	for _, name := range documented {
		if !slices.Contains(existing, name) {
			t.Errorf("%s %s is documented and does not exist", what, name)
		}
	}
	for _, name := range existing {
		if !slices.Contains(documented, name) {
			t.Errorf("%s %s exists and is not documented", what, name)
		}
	}
	slices.Sort(documented)
	if len(slices.Compact(slices.Clone(documented))) != len(documented) {
		t.Errorf("a %s is documented twice: %s", what, documented)
	}
}

func TestRows(t *testing.T) {
	got := rows("text\n| a | b |\n| --- | --- |\n| `x\\|y` | z |\n| | w |\n")
	if len(got) != 2 || got[0][0] != "`x|y`" || got[0][1] != "z" || got[1][0] != "" || got[1][1] != "w" {
		t.Errorf("%q", got)
	}
}

func TestBlocks(t *testing.T) {
	got := page{text: "a\n```json\n{}\n```\n1. b\n   ```caddyfile\n   x {\n   \ty\n   }\n   ```\n"}.blocks()
	if len(got) != 2 || got[0] != (block{"json", "{}\n"}) || got[1] != (block{"caddyfile", "x {\n\ty\n}\n"}) {
		t.Errorf("%q", got)
	}
}

// A page says first what its reader can do with it.
func TestEveryPageSaysFirstWhatItsReaderCanDo(t *testing.T) {
	promise := regexp.MustCompile(`^(With this page you|Read|Look up) `)
	for _, p := range pages(t) {
		if strings.HasPrefix(p.path, "..") || strings.Contains(p.path, string(filepath.Separator)) {
			continue // the root's have their own beginnings, and decisions are notes
		}
		_, text, _ := strings.Cut(p.text, "\n\n")
		if !promise.MatchString(text) {
			t.Errorf("%s begins with %.60q: say what the reader can do with the page", p.path, text)
		}
	}
}
