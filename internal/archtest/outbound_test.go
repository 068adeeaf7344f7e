package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// guarded are the rooms that ask parties whose names an attacker may choose. They
// ask by internal/outbound alone: it checks the address that is dialled, keeps
// redirects at the origin, and bounds the body and the time. A client that is
// built beside it has none of that.
var guarded = []string{"token", "login", "signals", "portal"}

// unguarded are the names of net/http by which a request can be sent.
var unguarded = []string{"Client", "DefaultClient", "Transport", "DefaultTransport", "Get", "Head", "Post", "PostForm"}

func TestOtherPartiesAreAskedByTheGuardedClient(t *testing.T) {
	for _, at := range findings(t, requestsBeside, func(pkg string) bool { return withinAny(pkg, guarded) }) {
		t.Errorf("%s can send a request that is not guarded: use internal/outbound", at)
	}
}

// requestsBeside finds the uses of what net/http and net send by.
func requestsBeside(file *ast.File) []token.Pos {
	web, sockets := importedAs(file, "net/http"), importedAs(file, "net")
	var found []token.Pos
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		switch {
		case !ok || pkg.Name == "":
		case pkg.Name == web && slices.Contains(unguarded, sel.Sel.Name),
			pkg.Name == sockets && strings.HasPrefix(sel.Sel.Name, "Dial"):
			found = append(found, n.Pos())
		}
		return true
	})
	return found
}

// A guard that can't object guards nothing.
func TestRequestsBesideTheGuardedClientAreFound(t *testing.T) {
	for body, want := range map[string]int{
		`var c = h.Client{}`:                                       1,
		`var c = &h.Client{Transport: &h.Transport{}}`:             2,
		`var c = new(h.Client)`:                                    1,
		`func f() { h.Get("https://a") }`:                          1,
		`func f(r *h.Request) { h.DefaultClient.Do(r) }`:           1,
		`func f() { net.Dial("tcp", "a:443") }`:                    1,
		`var d net.Dialer`:                                         1,
		`func f(x h.Header) string { return x.Get("a") }`:          0,
		`var m = h.MethodGet`:                                      0,
		`func f(x *outbound.Client) { x.Get(nil, "https://a") }`:   0,
		`func f(a string) { _, _, _ = net.SplitHostPort(a) }`:      0,
		`type site struct{ Client string }; var s = site{}.Client`: 0,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "a.go", "package a\nimport h "+strconv.Quote("net/http")+"\nimport \"net\"\n"+body, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := requestsBeside(file); len(got) != want {
			t.Errorf("%s: found %d, want %d", body, len(got), want)
		}
	}
}
