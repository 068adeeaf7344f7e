package demo

import "testing"

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"":                "''",
		"/tmp/demo-1/a":   "/tmp/demo-1/a",
		"/tmp/my demo":    "'/tmp/my demo'",
		"alice's":         `'alice'\''s'`,
		"a$(b)":           "'a$(b)'",
		`{"sub":"alice"}`: `'{"sub":"alice"}'`,
	} {
		if got := quote(word); got != want {
			t.Errorf("%q became %s, want %s", word, got, want)
		}
	}
}
