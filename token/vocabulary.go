package token

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// fold maps names that differ only in case, as Unicode folds it, to one: SUB,
// Sub and ſub are sub.
func fold(name string) string {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.Map(foldRune, name)
		}
	}
	return name
}

func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if 'A' <= least && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}

// vocabulary is the names that mean something, by their fold.
type vocabulary map[string]string

func newVocabulary(names ...string) vocabulary {
	v := make(vocabulary, len(names))
	for _, n := range names {
		v[fold(n)] = n
	}
	return v
}

// mistaken reports whether some reader could take name for a word of the
// vocabulary that it is not.
func (v vocabulary) mistaken(name string) bool {
	word, ok := v[fold(name)]
	return ok && word != name
}
