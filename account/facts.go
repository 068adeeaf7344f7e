package account

import (
	"sync"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// Fact is a claim of a token that a target can name or a cut compares.
type Fact uint8

// The facts. Other nodes are told their numbers, so those must not change.
const (
	FactAuthTime Fact = iota
	FactClient
	FactSession
	FactTokenID
	FactDevice
	FactTenant
	FactSigningKey

	numFacts
)

// Facts says, for each type of token of one issuer and for each [Fact], whether
// a token came with it and whether one came without. Two are merged by "or". It
// fits into the 53 bits of a number in JSON.
type Facts uint64

// bitsPerType leaves room for one more fact.
const bitsPerType = 16

func bit(t token.Type, f Fact, carried bool) Facts {
	at := uint(t)*bitsPerType + uint(f)*2
	if carried {
		at++
	}
	return 1 << at
}

// Carry reports whether a token of this type came with the fact.
func (f Facts) Carry(t token.Type, fact Fact) bool { return f&bit(t, fact, true) != 0 }

// Lack reports whether a token of this type came without the fact.
func (f Facts) Lack(t token.Type, fact Fact) bool { return f&bit(t, fact, false) != 0 }

// FactsOf is what one token shows.
func FactsOf(t token.Type, c *revocation.Credential) Facts {
	var all Facts
	for fact, carried := range [numFacts]bool{
		FactAuthTime: c.AuthTime != 0, FactClient: c.Client != "", FactSession: c.Session != "", FactTokenID: c.TokenID != "",
		FactDevice: c.Device != "", FactTenant: c.Tenant != "", FactSigningKey: c.KeyID != "",
	} {
		all |= bit(t, Fact(fact), carried)
	}
	return all
}

// Witness remembers the [Facts] of issuers. The zero value has seen nothing.
type Witness struct {
	mu sync.Mutex
	of map[string]Facts
}

// Note remembers what a token shows of its issuer. The dialect names the issuer
// and how its tokens are read: a fact that was missing for want of configuration
// must not be held against the tokens that are read by another one.
func (w *Witness) Note(dialect string, t token.Type, c *revocation.Credential) {
	facts := FactsOf(t, c)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = make(map[string]Facts)
	}
	w.of[dialect] |= facts
}

// Facts is what was seen of a dialect.
func (w *Witness) Facts(dialect string) Facts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of[dialect]
}
