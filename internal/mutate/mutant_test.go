package main

import (
	"strings"
	"testing"
)

func TestEachPlaceIsChangedOnce(t *testing.T) {
	const source = `package p

func f(a, b int, c bool) bool {
	if a < b && !c {
		return true
	}
	g(min(a, b))
	a += 1
	return a == b
}
`
	found, err := mutantsIn("p.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`"a < b && !c" becomes "!(a < b && !c)"`, `"&&" becomes "||"`, `"<" becomes "<="`, `"!" becomes ""`, `"true" becomes "false"`,
		`"g(min(a, b))" becomes ""`, `"min" becomes "max"`, `"a += 1" becomes ""`, `"==" becomes "!="`,
	}
	var got []string
	for _, m := range found {
		got = append(got, m.what)
		if string(m.source) == source {
			t.Errorf("%s changes nothing", m.what)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("changes:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
