package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// records is the package that makes records. Its constructors copy the
// configuration into a record: an instant with its skew, how long it is kept,
// exempt clients and limits. A record that is put together elsewhere would miss
// what is added there later.
const records = module + "/revocation"

// byHand may put records together. Tests may too, and packages for tests: they
// write what no draft gives.
var byHand = map[string]string{
	"revocation": "it has the constructors",
	"benchmarks": "a benchmark fills ledgers with millions of records that nobody asked for",
}

func TestRecordsAreMadeInOneRoom(t *testing.T) {
	for _, at := range findings(t, recordsByHand, func(pkg string) bool { return byHand[roomOf(pkg)] == "" }) {
		t.Errorf("%s puts a record together by hand: use revocation.Draft, NewLift, NewGenesis or NewHorizon", at)
	}
}

// findings are the places that a search finds in the code that ships, of those
// packages.
func findings(t *testing.T, search func(*ast.File) []token.Pos, of func(pkg string) bool) (all []token.Position) {
	t.Helper()
	for _, s := range sources(t) {
		if s.test() || forTests(s.pkg) || !of(s.pkg) {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, filepath.Join("..", "..", s.pkg, s.name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range search(file) {
			all = append(all, set.Position(at))
		}
	}
	return all
}

// recordsByHand finds composite literals of records with members, alone or as
// elements of a list or map, and assignments of a type of record to a member.
func recordsByHand(file *ast.File) []token.Pos {
	name := importedAs(file, records)
	if name == "" {
		return nil
	}
	isOf := func(e ast.Expr, members ...string) bool {
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		pkg, ok := sel.X.(*ast.Ident)
		return ok && pkg.Name == name && slices.Contains(members, sel.Sel.Name)
	}
	var found []token.Pos
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if isOf(n.Type, "Record") && len(n.Elts) > 0 {
				found = append(found, n.Pos())
			}
			if isOf(elementOf(n.Type), "Record") {
				found = append(found, untyped(n)...)
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				member, ok := left.(*ast.SelectorExpr)
				if ok && member.Sel.Name == "Type" && i < len(n.Rhs) && isOf(n.Rhs[i], "Genesis", "Cut", "Block", "StepUp", "Lift") {
					found = append(found, n.Pos())
				}
			}
		}
		return true
	})
	return found
}

// importedAs is the name by which a file knows a package; empty: not at all.
func importedAs(file *ast.File, path string) string {
	for _, spec := range file.Imports {
		if imported, _ := strconv.Unquote(spec.Path.Value); imported != path {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return ""
}

// elementOf is the type of the elements of a list or map; nil: it has none.
func elementOf(e ast.Expr) ast.Expr {
	var element ast.Expr
	switch e := e.(type) {
	case *ast.ArrayType:
		element = e.Elt
	case *ast.MapType:
		element = e.Value
	}
	if pointer, ok := element.(*ast.StarExpr); ok {
		return pointer.X
	}
	return element
}

// untyped finds the elements of a literal whose type is left out.
func untyped(list *ast.CompositeLit) []token.Pos {
	var found []token.Pos
	for _, e := range list.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			e = pair.Value
		}
		if l, ok := e.(*ast.CompositeLit); ok && l.Type == nil && len(l.Elts) > 0 {
			found = append(found, l.Pos())
		}
	}
	return found
}

// A guard that can't object guards nothing.
func TestRecordsByHandAreFound(t *testing.T) {
	for body, want := range map[string]int{
		`var r = r.Record{Type: r.Cut}`:                              1,
		`var x = &r.Record{Type: r.Block}`:                           1,
		`var x = []r.Record{{Type: r.Lift}, {}, r.Record{Type: 1}}`:  2,
		`var x = []*r.Record{{Type: r.Lift}}`:                        1,
		`var x = map[string]r.Record{"a": {Type: r.StepUp}}`:         1,
		`func f() { var x r.Record; x.Type = r.Genesis }`:            1,
		`func f() r.Record { return r.Record{} }`:                    0,
		`func f(x r.Record) []r.Record { return []r.Record{x} }`:     0,
		`func f(d r.Draft) { d.Target.Issuer = "x" }`:                0,
		`var x = []r.Entry{{Position: r.Position{Epoch: 1}}}`:        0,
		`func f(x r.Record) bool { return x.Type == r.Cut }`:         0,
		`var x = r.Draft{Type: r.Cut, Author: r.Author{Actor: "a"}}`: 0,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "a.go", "package a\nimport r "+strconv.Quote(records)+"\n"+body, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := recordsByHand(file); len(got) != want {
			t.Errorf("%s: found %d, want %d", body, len(got), want)
		}
	}
}
