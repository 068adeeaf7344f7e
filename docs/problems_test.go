package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"curfew.dev/curfew/policy"
)

// What refused requests are told is the page's table.
func TestProblemsOfGuards(t *testing.T) {
	reasons := make(map[string]policy.Reason)
	for _, r := range policy.Reasons() {
		reasons[r.String()] = r
	}
	text, _, _ := strings.Cut(read(t, "refusals.md").text, "\n## ")
	var documented, existing []string
	for _, row := range rows(text) {
		name := codes(row[0])[0]
		documented = append(documented, name)
		r, known := reasons[name]
		if !known {
			continue
		}
		if row[1] != strconv.Itoa(r.Status()) {
			t.Errorf("%s is documented with status %s, and has %d", name, row[1], r.Status())
		}
		var challenge string
		if c := codes(row[2]); len(c) > 0 {
			challenge = c[0]
		}
		if challenge != r.Code() {
			t.Errorf("%s is documented with error %q, and has %q", name, challenge, r.Code())
		}
	}
	for name := range reasons {
		existing = append(existing, name)
	}
	differ(t, "problem type", documented, existing)
}

// What refused calls of the admin API are told is the page's other table, and
// what the API's description names.
func TestProblemsOfTheAdminAPI(t *testing.T) {
	statuses := problemsOfAdmin(t)
	var documented, existing []string
	for _, row := range rows(read(t, "refusals.md").section(t, "## The admin API")) {
		name := codes(row[0])[0]
		documented = append(documented, name)
		if status, known := statuses[name]; known && status != row[1] {
			t.Errorf("%s is documented with status %s, and has %s", name, row[1], status)
		}
	}
	for name := range statuses {
		existing = append(existing, name)
	}
	differ(t, "problem type", documented, existing)
	for _, m := range regexp.MustCompile(`urn:curfew:([a-z-]+)`).FindAllStringSubmatch(read(t, "openapi.json").text, -1) {
		if !slices.Contains(existing, m[1]) {
			t.Errorf("openapi.json names the problem type %s, which does not exist", m[1])
		}
	}
}

// Problem types that pages name by their URN exist.
func TestProblemsThatPagesName(t *testing.T) {
	var existing []string
	for name := range problemsOfAdmin(t) {
		existing = append(existing, name)
	}
	for _, r := range policy.Reasons() {
		existing = append(existing, r.String())
	}
	for _, p := range pages(t) {
		for _, m := range regexp.MustCompile(`urn:curfew:([a-z-]+)`).FindAllStringSubmatch(p.text, -1) {
			if !slices.Contains(existing, m[1]) {
				t.Errorf("%s names the problem type %s, which does not exist", p.path, m[1])
			}
		}
	}
}

// problemsOfAdmin reads the table of admin/problem.go: statuses by name.
func problemsOfAdmin(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../admin/problem.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "kinds" {
			return true
		}
		for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
			row := e.(*ast.KeyValueExpr).Value.(*ast.CompositeLit).Elts
			name, err := strconv.Unquote(row[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = row[1].(*ast.BasicLit).Value
		}
		return false
	})
	if len(all) == 0 {
		t.Fatal("admin/problem.go has no table `kinds` any more")
	}
	return all
}
