package docs_test

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

const module = "curfew.dev/curfew"

// parsed returns the Go files of a folder of the module without its tests. A
// folder that has none returns none.
func parsed(t *testing.T, folder string, mode parser.Mode) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, mode)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, file)
	}
	return all
}

// exported are the exported names of a package: Func, Type, Type.Method and
// Type.Field.
func exported(t *testing.T, folder string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, file := range parsed(t, folder, parser.SkipObjectResolution) {
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				names[receiver(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					addSpec(names, spec)
				}
			}
		}
	}
	return names
}

// receiver is the name of a method's type and a dot, or nothing.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	if name, ok := of.(*ast.Ident); ok {
		return name.Name + "."
	}
	return "?."
}

func addSpec(names map[string]bool, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			names[name.Name] = true
		}
	case *ast.TypeSpec:
		names[s.Name.Name] = true
		var members *ast.FieldList
		switch of := s.Type.(type) {
		case *ast.StructType:
			members = of.Fields
		case *ast.InterfaceType:
			members = of.Methods
		default:
			return
		}
		for _, member := range members.List {
			for _, name := range member.Names {
				names[s.Name.Name+"."+name.Name] = true
			}
		}
	}
}

var exportedName = regexp.MustCompile(`^([a-z]+)\.([A-Z]\w*(?:\.[A-Z]\w*)?)$`)

// A page that names what is not there sends its reader to the wrong place.
func TestTheArchitecturePageNamesWhatExists(t *testing.T) {
	prose, _, _ := cutPicture(t)
	var files, names int
	for _, span := range codes(prose) {
		if m := exportedName.FindStringSubmatch(span); m != nil {
			names++
			if !exported(t, m[1])[m[2]] {
				t.Errorf("the page names %s, and package %s has no %s", span, m[1], m[2])
			}
			continue
		}
		files++
		if span == "doc.go" {
			continue // that of each room
		}
		if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(span))); err != nil {
			t.Errorf("the page names %s: %v", span, err)
		}
	}
	if files < 15 || names < 10 {
		t.Errorf("%d files and %d names: the page was not read as it is written", files, names)
	}
}

// cutPicture returns the page without its picture, and the arrows of the
// picture by the room that they come from.
func cutPicture(t *testing.T) (prose string, arrows map[string][]string, drawn []string) {
	t.Helper()
	p := read(t, "architecture.md")
	arrows = make(map[string][]string)
	for _, b := range p.blocks() {
		if b.language != "mermaid" {
			continue
		}
		for line := range strings.Lines(b.text) {
			m := arrow.FindStringSubmatch(strings.TrimSpace(line))
			if m == nil {
				if !strings.HasPrefix(line, "flowchart") {
					t.Errorf("not an arrow between two rooms: %q", line)
				}
				continue
			}
			from, to := m[1], m[2]
			if slices.Contains(arrows[from], to) {
				t.Errorf("%s -> %s is drawn twice", from, to)
			}
			arrows[from] = append(arrows[from], to)
			drawn = append(drawn, from, to)
		}
	}
	slices.Sort(drawn)
	return fence.ReplaceAllString(p.text, ""), arrows, slices.Compact(drawn)
}

var arrow = regexp.MustCompile(`^([a-z]+) (?:-->|-\. "[^"]+" \.->|== "[^"]+" ==>) ([a-z]+)$`)

// ruled are the folders of a table of internal/archtest that exist: of rooms, or of
// inward packages without those that no other package imports.
func ruled(t *testing.T, variable string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../internal/archtest/rules_test.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != variable {
			return true
		}
		for _, element := range spec.Values[0].(*ast.CompositeLit).Elts {
			entry := element.(*ast.KeyValueExpr)
			name, err := strconv.Unquote(entry.Key.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			if list, ok := entry.Value.(*ast.CompositeLit); ok && len(list.Elts) == 0 {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", name)); err == nil && name != "" {
				all = append(all, name)
			}
		}
		return false
	})
	if len(all) < 8 {
		t.Fatalf("%d %s in archtest: %q", len(all), variable, all)
	}
	return all
}

// tableOfRooms are the folders of CONTRIBUTING's table.
func tableOfRooms(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, row := range rows(read(t, "../CONTRIBUTING.md").section(t, "## Where a line belongs")) {
		for _, folder := range codes(row[0]) {
			all = append(all, strings.TrimSuffix(folder, "/"))
		}
	}
	return all
}

func TestEveryRoomIsOnTheArchitecturePageAndInTheTable(t *testing.T) {
	prose, _, drawn := cutPicture(t)
	table := tableOfRooms(t)
	for _, room := range ruled(t, "rooms") {
		if !slices.Contains(drawn, room) && !strings.Contains(prose, "`"+room+"/`") {
			t.Errorf("architecture.md does not have the room %s", room)
		}
		if !slices.Contains(table, room) {
			t.Errorf("the table of CONTRIBUTING.md does not have the room %s", room)
		}
	}
	for _, inward := range ruled(t, "inward") {
		if !slices.Contains(table, inward) {
			t.Errorf("the table of CONTRIBUTING.md does not have %s", inward)
		}
	}
	for _, folder := range table {
		if _, err := os.Stat(filepath.Join("..", folder)); err != nil {
			t.Errorf("the table of CONTRIBUTING.md: %v", err)
		}
		room, _, _ := strings.Cut(folder, "/")
		if !slices.Contains(drawn, room) && !strings.Contains(prose, "`"+room+"/`") {
			t.Errorf("architecture.md does not have the room %s of CONTRIBUTING's table", room)
		}
	}
}

// imports are the rooms that each room imports, without internal packages and
// tests. A folder named …test exists for tests.
func imports(t *testing.T, of []string) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for _, room := range of {
		err := filepath.WalkDir(filepath.Join("..", room), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || !d.IsDir():
				return err
			case d.Name() == "testdata" || strings.HasSuffix(d.Name(), "test"):
				return filepath.SkipDir
			}
			folder, err := filepath.Rel("..", path)
			if err != nil {
				return err
			}
			for _, file := range parsed(t, folder, parser.ImportsOnly) {
				all[room] = append(all[room], importedRooms(room, file)...)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(all[room])
		all[room] = slices.Compact(all[room])
	}
	return all
}

func importedRooms(room string, file *ast.File) []string {
	var all []string
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if path == module {
			all = append(all, "caddymodule") // the root registers it and holds no code
			continue
		}
		rest, ours := strings.CutPrefix(path, module+"/")
		to, _, _ := strings.Cut(rest, "/")
		if ours && to != room && to != "internal" {
			all = append(all, to)
		}
	}
	return all
}

// An arrow is an import, and an import is an arrow or a way along several.
func TestTheArrowsOfThePictureAreTheImports(t *testing.T) {
	_, arrows, drawn := cutPicture(t)
	imported := imports(t, drawn)
	for _, room := range drawn {
		for _, to := range arrows[room] {
			if !slices.Contains(imported[room], to) {
				t.Errorf("the picture has %s -> %s, and %s does not import it", room, to, room)
			}
		}
	}
	if t.Failed() {
		return // arrows that are no imports may go round
	}
	for _, room := range drawn {
		for _, to := range imported[room] {
			if !leads(arrows, room, to) {
				t.Errorf("%s imports %s, and no arrows of the picture lead there", room, to)
			}
		}
	}
}

func leads(arrows map[string][]string, from, to string) bool {
	return slices.ContainsFunc(arrows[from], func(next string) bool { return next == to || leads(arrows, next, to) })
}

func TestLeads(t *testing.T) {
	arrows := map[string][]string{"a": {"b"}, "b": {"c", "d"}}
	for _, tt := range []struct {
		from, to string
		want     bool
	}{{"a", "b", true}, {"a", "d", true}, {"b", "a", false}, {"c", "d", false}} {
		if got := leads(arrows, tt.from, tt.to); got != tt.want {
			t.Errorf("%s to %s: %v", tt.from, tt.to, got)
		}
	}
}
