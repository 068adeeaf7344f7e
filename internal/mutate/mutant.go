package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// mutant is a file with one place changed.
type mutant struct {
	file   string // absolute
	place  string // file:line
	what   string // the change, for people
	source []byte
}

// swaps are operators and what stands in for them.
var swaps = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL,
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD,
}

// mutantsOf lists every change of a package's files, tests excepted.
func mutantsOf(pkg, only string) ([]mutant, error) {
	dir, err := filepath.Abs(pkg)
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || only != "" && filepath.Base(name) != only {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		found, err := mutantsIn(name, source)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func mutantsIn(name string, source []byte) ([]mutant, error) {
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, name, source, 0)
	if err != nil {
		return nil, err
	}
	var all []mutant
	replace := func(from, to token.Pos, text string) {
		begin, end := files.Position(from).Offset, files.Position(to).Offset
		changed := append([]byte(nil), source[:begin]...)
		changed = append(append(changed, text...), source[end:]...)
		place := fmt.Sprintf("%s:%d", filepath.Base(name), files.Position(from).Line)
		all = append(all, mutant{name, place, fmt.Sprintf("%q becomes %q", source[begin:end], text), changed})
	}
	textOf := func(n ast.Node) string {
		return string(source[files.Position(n.Pos()).Offset:files.Position(n.End()).Offset])
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if other, ok := swaps[n.Op]; ok {
				replace(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), other.String())
			}
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				replace(n.OpPos, n.OpPos+1, "")
			}
		case *ast.IfStmt:
			replace(n.Cond.Pos(), n.Cond.End(), "!("+textOf(n.Cond)+")")
		case *ast.ExprStmt: // a call for what it does
			replace(n.Pos(), n.End(), "")
		case *ast.IncDecStmt:
			replace(n.Pos(), n.End(), "")
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				replace(n.Pos(), n.End(), "")
			}
		case *ast.BranchStmt:
			if n.Tok == token.CONTINUE && n.Label == nil {
				replace(n.Pos(), n.End(), "break")
			}
		case *ast.Ident:
			switch n.Name {
			case "true":
				replace(n.Pos(), n.End(), "false")
			case "false":
				replace(n.Pos(), n.End(), "true")
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "min" || f.Name == "max") {
				replace(f.Pos(), f.End(), map[string]string{"min": "max", "max": "min"}[f.Name])
			}
		}
		return true
	})
	return all, nil
}
