package authorization

import (
	"strings"
	"testing"
)

func TestAChallengeCarriesEveryVisibleCharacterButQuoteAndBackslash(t *testing.T) {
	for c := range 256 {
		v := "a" + string([]byte{byte(c)}) + "b"
		want := c >= 0x21 && c <= 0x7e && !strings.ContainsRune(`"\`, rune(c))
		if ChallengeToken(v) != want {
			t.Errorf("%q: got %v", v, !want)
		}
	}
	for v, want := range map[string]bool{"": false, "a": true, "urn:mace:incommon:iap:silver": true, "sch\u00f6n": false} {
		if ChallengeToken(v) != want {
			t.Errorf("%q: got %v", v, !want)
		}
	}
}
