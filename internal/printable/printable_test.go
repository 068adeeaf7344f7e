package printable

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"Zoë 日本 a b":          "Zoë 日本 a b",
		"a\x1b[31mred":        `a\x1b[31mred`,
		"two\nlines\ttab\r":   `two\nlines\ttab\r`,
		"\u202eevil\u009b2J":  `\u202eevil\u009b2J`,
		"broken\xff\xef":      `broken\xff\xef`,
		"kept \uFFFD as is":   "kept \uFFFD as is",
		"zero width\u200bgap": `zero width\u200bgap`,
	} {
		if got := Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b]0;title\a")
	f.Add("\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
			t.Fatalf("Text(%q) = %q", s, got)
		}
		if Text(got) != got {
			t.Fatalf("not stable: %q", got)
		}
	})
}
