package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is a parsed file and the folder that it lies in, "" for the root.
type source struct {
	pkg  string
	name string
	file *ast.File
}

func (s source) test() bool { return strings.HasSuffix(s.name, "_test.go") }

// sources parses every file of the module, up to its imports.
func sources(t *testing.T) []source {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	var all []source
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && ignored(path) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if folder = filepath.ToSlash(folder); folder == "." {
			folder = ""
		}
		all = append(all, source{folder, d.Name(), file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// ignored are the folders that the go command ignores, and modules of their own.
func ignored(path string) bool {
	name := filepath.Base(path)
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || err == nil
}

func TestImportsPointOneWay(t *testing.T) {
	for _, s := range sources(t) {
		for _, spec := range s.file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := objection(s.pkg, path, s.test()); why != "" {
				t.Errorf("%s/%s imports %s, which %s", s.pkg, s.name, path, why)
			}
		}
	}
}

func TestEveryPackageIsARoomOfTheDesign(t *testing.T) {
	for _, s := range sources(t) {
		if within(s.pkg, "internal") {
			if _, known := inward[s.pkg]; !known && !forTests(s.pkg) {
				t.Errorf("%s is not among the inward packages; add it with who may import it", s.pkg)
			}
			continue
		}
		if _, known := rooms[roomOf(s.pkg)]; !known {
			t.Errorf("%s is not in a room of the design; give it a floor and a reason", s.pkg)
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	docs, names := make(map[string]string), make(map[string]string)
	for _, s := range sources(t) {
		if _, seen := docs[s.pkg]; !seen {
			docs[s.pkg] = ""
		}
		names[s.pkg] = strings.TrimSuffix(s.file.Name.Name, "_test")
		if slices.Contains(vague, names[s.pkg]) || slices.Contains(vague, strings.TrimSuffix(s.name, ".go")) {
			t.Errorf("%s/%s: the name says nothing about what is inside", s.pkg, s.name)
		}
		if doc := s.file.Doc.Text(); len(doc) > len(docs[s.pkg]) {
			docs[s.pkg] = doc
		}
	}
	for pkg, doc := range docs {
		if names[pkg] != "main" && !strings.HasPrefix(doc, "Package "+names[pkg]+" ") || len(doc) < 60 {
			t.Errorf("%q has no package comment that says what it is for", pkg)
		}
	}
}

// A reader of a large package needs to know where to begin, and a name of a file that
// is gone sends him nowhere.
func TestEveryLargePackageSaysInWhichOrderToReadIt(t *testing.T) {
	docs, files := make(map[string]string), make(map[string][]string)
	for _, s := range sources(t) {
		docs[s.pkg] += s.file.Doc.Text()
		files[s.pkg] = append(files[s.pkg], s.name)
	}
	for pkg, doc := range docs {
		order := beginning.FindString(doc)
		named := fileName.FindAllString(order, -1)
		for _, name := range named {
			if !slices.Contains(files[pkg], name) {
				t.Errorf("the comment of %q names %s, which is not there", pkg, name)
			}
		}
		if len(files[pkg]) > 5 && len(named) == 0 && rooms[roomOf(pkg)].floor < rooms["docs"].floor { // tests of the whole need no order
			t.Errorf("the comment of %q does not say which of its %d files to read first", pkg, len(files[pkg]))
		}
	}
}

var beginning = regexp.MustCompile(`(?s)(?:\bRead |[Rr]eading).*`)

var fileName = regexp.MustCompile(`\b[a-z_]+\.go\b`)

// A guard that can't object guards nothing.
func TestObjections(t *testing.T) {
	for _, tt := range []struct {
		pkg, imported string
		test, want    bool // want an objection
	}{
		{"revocation", "crypto/sha256", false, false},
		{"revocation", "net/http", false, true},
		{"revocation", "github.com/x/y", false, true},
		{"revocation", "pgregory.net/rapid", true, false},
		{"revocation", module + "/policy", false, true},
		{"revocation", module + "/policy", true, true},
		{"policy", module + "/revocation", false, false},
		{"policy", module + "/revocation/revocationtest", false, true},
		{"policy", module + "/revocation/revocationtest", true, false},
		{"policy", module + "/token", false, true},
		{"policy", "golang.org/x/net/http2", false, true},
		{"ledger/local", module + "/ledger", false, false},
		{"ledger", module + "/ledger/local", false, false},
		{"ledger/local", "go.etcd.io/bbolt", false, false},
		{"node", "go.etcd.io/bbolt", false, true},
		{"ledger/local", "github.com/nats-io/nats.go", false, true},
		{"ledger/nats", "github.com/nats-io/nats.go", false, false},
		{"node", module + "/account", false, true},
		{"node", module + "/ledger", false, false},
		{"admin", module + "/signals", false, true},
		{"admin", "github.com/caddyserver/caddy/v2", false, true},
		{"admin", "github.com/caddyserver/caddy/v2", true, false},
		{"caddymodule/cli", "github.com/caddyserver/caddy/v2", false, false},
		{"adminclient", module + "/node", false, false},
		{"adminclient", module + "/admin", false, true},
		{"adminclient", module + "/admin/admintest", true, false},
		{"adminclient", "github.com/spf13/cobra", false, true},
		{"caddymodule", module + "/internal/devidp", false, false},
		{"login", module + "/internal/devidp", false, true},
		{"login", module + "/internal/devidp", true, false},
		{"token", module + "/internal/strictjson", false, false},
		{"internal/devidp", module + "/token", false, true},
		{"internal/unheard", module + "/internal/unheard2", false, true},
		{"cmd/caddy", module + "/caddymodule", false, false},
		{"caddymodule", module + "/cmd/caddy", false, true},
		{"", module + "/caddymodule", false, false},
		{"caddymodule", module, false, true},
	} {
		if why := objection(tt.pkg, tt.imported, tt.test); (why != "") != tt.want {
			t.Errorf("%s imports %s (test: %v): %q", tt.pkg, tt.imported, tt.test, why)
		}
	}
}
