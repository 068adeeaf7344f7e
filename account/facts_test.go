package account

import (
	"testing"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

func TestFactsAreKeptApartByTypeOfToken(t *testing.T) {
	var w Witness
	w.Note("a", token.TypeAccess, &revocation.Credential{Client: "web"})
	w.Note("a", token.TypeID, &revocation.Credential{Session: "s"})
	w.Note("a", token.TypeID, &revocation.Credential{Session: "s", KeyID: "k"})
	got := w.Facts("a")
	for fact := range numFacts {
		for typ, carried := range map[token.Type][]Fact{
			token.TypeAccess: {FactClient}, token.TypeID: {FactSession, FactSigningKey}, token.TypeMachine: {},
		} {
			want := false
			for _, f := range carried {
				want = want || f == fact
			}
			if got.Carry(typ, fact) != want {
				t.Errorf("type %d carries fact %d: %v", typ, fact, !want)
			}
			lacks := typ != token.TypeMachine && !want || typ == token.TypeID && fact == FactSigningKey
			if got.Lack(typ, fact) != lacks {
				t.Errorf("type %d lacks fact %d: %v", typ, fact, !lacks)
			}
		}
	}
	if w.Facts("b") != 0 {
		t.Error("another dialect has facts")
	}
}

// Nodes tell one another facts as a number in JSON.
func TestFactsFitIntoANumber(t *testing.T) {
	for typ := range token.NumTypes {
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
