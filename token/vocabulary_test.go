package token

import "testing"

func TestFoldFindsWhatOtherReadersWouldTake(t *testing.T) {
	words := newVocabulary("sub", "x5t#S256", "nickname")
	for name, want := range map[string]bool{
		"sub": false, "SUB": true, "\u017fub": true, "x5t#s256": true, "x5t#S256": false, "nic\u212aname": true, "subs": false,
	} {
		if words.mistaken(name) != want {
			t.Errorf("%q: got %v", name, !want)
		}
	}
}
