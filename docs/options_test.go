package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"curfew.dev/curfew/caddymodule"
)

// blocksOfOptions are the blocks of the Caddyfile: where a page tells of them,
// which function of caddymodule reads them, and into what.
var blocksOfOptions = []struct {
	heading, function string
	into              any
}{
	{"## Global options: `curfew`", "App.UnmarshalCaddyfile", caddymodule.App{}},
	{"## `ledger nats <url>…`", "NATSLedger.parse", caddymodule.NATSLedger{}},
	{"## `pages`", "App.parsePages", caddymodule.Pages{}},
	{"## `issuer <url>`", "App.parseIssuer", caddymodule.Issuer{}},
	{"## `sign_in <name>`", "App.parseSignIn", caddymodule.SignIn{}},
	{"## `policy <name>`", "Requirements.options", caddymodule.Requirements{}},
	{"## Guard: `curfew [<matcher>] [<policy>…]`", "Guard.UnmarshalCaddyfile", caddymodule.Guard{}},
	{"## `curfew_admin`", "Admin.UnmarshalCaddyfile", caddymodule.Admin{}},
	{"## `oidc <issuer>`", "Admin.parseOIDC", caddymodule.AdminOIDC{}},
}

func TestOptions(t *testing.T) {
	page, existing := read(t, "caddyfile.md"), optionsOfCaddyfile(t)
	for _, b := range blocksOfOptions {
		var options, members []string
		for _, row := range rows(page.section(t, b.heading)) {
			if len(row) != 4 || row[1] == "" || row[2] == "" {
				t.Fatalf("%s: a row has another form: %q", b.heading, row)
			}
			name, _, _ := strings.Cut(codes(row[0])[0], " ")
			if !strings.HasPrefix(name, "<") { // an argument of the block
				options = append(options, name)
			}
			members = append(members, codes(row[3])...)
		}
		differ(t, b.heading+": option", options, existing[b.function])
		differ(t, b.heading+": member", members, membersOf(reflect.TypeOf(b.into)))
		delete(existing, b.function)
	}
	for function, names := range existing {
		t.Errorf("caddyfile.md has no section for the options of %s: %s", function, names)
	}
}

// optionsOfCaddyfile are the keys of the tables of options in caddymodule, by
// the function that each is in.
func optionsOfCaddyfile(t *testing.T) map[string][]string {
	t.Helper()
	paths, err := filepath.Glob("../caddymodule/*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if table, ok := n.(*ast.CompositeLit); ok && isNamed(table.Type, "options") && len(table.Elts) > 0 {
					all[nameOf(f)] = append(all[nameOf(f)], keys(t, table)...)
				}
				return true
			})
		}
	}
	return all
}

func isNamed(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

// nameOf is Type.Method or Function.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	return receiver.(*ast.Ident).Name + "." + f.Name.Name
}

// keys are the string keys of a table.
func keys(t *testing.T, table *ast.CompositeLit) []string {
	t.Helper()
	var all []string
	for _, e := range table.Elts {
		key, ok := e.(*ast.KeyValueExpr).Key.(*ast.BasicLit)
		if !ok {
			t.Fatal("an option's name is not a literal")
		}
		name, err := strconv.Unquote(key.Value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	return all
}

// membersOf are the names of a configuration's members in JSON. Requirements
// have a section of their own.
func membersOf(t reflect.Type) []string {
	var all []string
	for i := range t.NumField() {
		switch f := t.Field(i); {
		case f.Type.Name() == "place": // the Caddyfile's own
		case f.Anonymous && f.Type != reflect.TypeFor[caddymodule.Requirements]():
			all = append(all, membersOf(f.Type)...)
		case f.Tag.Get("json") != "":
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			all = append(all, name)
		}
	}
	return all
}
