package ledger_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"curfew.dev/curfew/ledger"
)

var wellFormed = regexp.MustCompile(`\A[0-9a-f]{64}(\.[0-9a-f]{64}){0,3}\z`)

func TestAKeyTellsNamesApart(t *testing.T) {
	seen := make(map[ledger.Key][]string)
	for _, names := range [][]string{
		nil, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"ab"}, {"a", "b"}, {"b", "a"}, {"a.b"}, {"a\x00b"}, {strings.Repeat("a", 1<<16)},
	} {
		key := ledger.KeyOf(names...)
		if before, is := seen[key]; is {
			t.Errorf("%q and %q have the same key", before, names)
		}
		if err := key.Below("x").Below("y", "z").Validate(); err != nil {
			t.Error(err)
		}
		seen[key] = names
	}
}

func FuzzKey(f *testing.F) {
	one := string(ledger.KeyOf("a"))
	for _, seed := range []string{
		"", ".", "a", one, one + ".", "." + one, one + "." + one, one + ".." + one, strings.ToUpper(one), one[1:], one + "0", one + "\n",
		strings.Repeat(one+".", 3) + one, strings.Repeat(one+".", 4) + one, one + ".*", one + ".>", "../" + one, one[:60] + "٣٣",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := ledger.Key(text).Validate()
		if got, want := err == nil, wellFormed.MatchString(text); got != want {
			t.Errorf("%q: %v, want a key: %t", text, err, want)
		}
		if err != nil && !errors.Is(err, ledger.ErrKey) {
			t.Errorf("%q: %v does not wrap ErrKey", text, err)
		}
	})
}
