package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"pgregory.net/rapid"
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
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b]0;title\a")
	f.Add("\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
			t.Fatalf("printable(%q) = %q", s, got)
		}
		if printable(got) != got {
			t.Fatalf("not stable: %q", got)
		}
	})
}

// However a file is read, it has as many lines as the gateway answers.
func TestLineCounter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a \r\n]{0,40}`).Draw(t, "text")
		want := 0
		for line := range strings.SplitSeq(text, "\n") {
			if strings.Trim(line, "\r") != "" {
				want++
			}
		}
		c := &lineCounter{Reader: iotest.HalfReader(strings.NewReader(text))}
		if got, err := io.ReadAll(c); err != nil || string(got) != text {
			t.Fatalf("read %q, %v", got, err)
		}
		if got := int(c.count.Load()); got != want {
			t.Fatalf("%d lines, want %d", got, want)
		}
	})
}

func TestReadToken(t *testing.T) {
	for in, want := range map[string]string{
		"a.b.c\n":          "a.b.c",
		"Bearer a.b.c\r\n": "a.b.c",
		"dpop  a.b.c":      "a.b.c",
		"a b":              "a b", // not a token: for the gateway to refuse
	} {
		got, err := readToken(strings.NewReader(in), io.Discard)
		if err != nil || got != want {
			t.Errorf("readToken(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	if _, err := readToken(bytes.NewReader(make([]byte, maxToken+1)), io.Discard); err == nil {
		t.Error("a token without end was read")
	}
}
