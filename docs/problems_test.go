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

// The page's other table and the API's description have every problem of the admin
// API, and no other.
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
	var described []string
	for _, m := range regexp.MustCompile(`urn:curfew:([a-z-]+)`).FindAllStringSubmatch(read(t, "openapi.json").text, -1) {
		if !slices.Contains(described, m[1]) {
			described = append(described, m[1])
		}
	}
	differ(t, "problem type in openapi.json", described, existing)
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

// problemsOfAdmin reads the kinds of problem that the API and its gate have:
// statuses by name.
func problemsOfAdmin(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, path := range []string{"../admin/problem.go", "../internal/httpapi/problem.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		before := len(all)
		ast.Inspect(file, func(n ast.Node) bool {
			members := make(map[string]string)
			if literal, ok := n.(*ast.CompositeLit); ok {
				for _, e := range literal.Elts {
					if pair, ok := e.(*ast.KeyValueExpr); ok {
						if value, ok := pair.Value.(*ast.BasicLit); ok {
							members[pair.Key.(*ast.Ident).Name] = value.Value
						}
					}
				}
			}
			if name, err := strconv.Unquote(members["Name"]); err == nil && members["Status"] != "" {
				all[name] = members["Status"]
			}
			return true
		})
		if len(all) == before {
			t.Fatalf("%s has no kinds of problem any more", path)
		}
	}
	return all
}
