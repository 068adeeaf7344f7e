package account

import (
	"sync"

	"curfew.dev/curfew/revocation"
)

// Witness remembers the [revocation.Facts] of issuers. The zero value has seen
// nothing.
type Witness struct {
	mu sync.Mutex
	of map[string]revocation.Facts
}

// Note remembers what a token shows of its issuer. The dialect names the issuer
// and how its tokens are read: a fact that was missing for want of configuration
// must not be held against the tokens that are read by another one.
func (w *Witness) Note(dialect string, t revocation.TokenType, c *revocation.Credential) {
	facts := revocation.FactsOf(t, c)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = make(map[string]revocation.Facts)
	}
	w.of[dialect] |= facts
}

// Facts returns what was seen of a dialect.
func (w *Witness) Facts(dialect string) revocation.Facts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of[dialect]
}
