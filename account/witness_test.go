package account

import (
	"testing"

	"curfew.dev/curfew/revocation"
)

func TestFactsAreKeptApartByTypeOfToken(t *testing.T) {
	var w Witness
	w.Note("a", revocation.AccessToken, &revocation.Credential{Client: "web"})
	w.Note("a", revocation.IDToken, &revocation.Credential{Session: "s"})
	w.Note("a", revocation.IDToken, &revocation.Credential{Session: "s", KeyID: "k"})
	got := w.Facts("a")
	for fact := revocation.FactAuthTime; fact <= revocation.FactSigningKey; fact++ {
		for typ, carried := range map[revocation.TokenType][]revocation.Fact{
			revocation.AccessToken: {revocation.FactClient}, revocation.IDToken: {revocation.FactSession, revocation.FactSigningKey}, revocation.MachineToken: {},
		} {
			want := false
			for _, f := range carried {
				want = want || f == fact
			}
			if got.Carry(typ, fact) != want {
				t.Errorf("type %d carries fact %d: %v", typ, fact, !want)
			}
			lacks := typ != revocation.MachineToken && !want || typ == revocation.IDToken && fact == revocation.FactSigningKey
			if got.Lack(typ, fact) != lacks {
				t.Errorf("type %d lacks fact %d: %v", typ, fact, !lacks)
			}
		}
	}
	if w.Facts("b") != 0 {
		t.Error("another dialect has facts")
	}
}
