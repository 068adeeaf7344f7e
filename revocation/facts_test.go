package revocation

import "testing"

// Nodes tell one another facts as a number in JSON.
func TestFactsFitIntoANumber(t *testing.T) {
	for typ := range NumTokenTypes {
		for fact := range numFacts {
			for _, carried := range []bool{true, false} {
				if b := bit(typ, fact, carried); b == 0 || b >= 1<<53 {
					t.Errorf("type %d, fact %d: %x", typ, fact, b)
				}
			}
		}
	}
	if numFacts > bitsPerType/2 {
		t.Error("the facts of two types overlap")
	}
}
