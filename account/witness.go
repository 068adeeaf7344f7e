package account

import (
	"sync"

	"curfew.dev/curfew/revocation"
)

// Witness remembers the [revocation.Facts] of issuers. The zero value has seen
// no token.
type Witness struct {
	mu sync.Mutex
	of map[string]revocation.Facts
}

// Note remembers the facts that a token shows about its issuer. The dialect
// names the issuer and the way in which its tokens are read. Facts are kept by
// dialect, because a fact that one configuration did not read must not count
// against tokens that another configuration reads.
func (w *Witness) Note(dialect string, t revocation.TokenType, c *revocation.Credential) {
	facts := revocation.FactsOf(t, c)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = make(map[string]revocation.Facts)
	}
	w.of[dialect] |= facts
}

// Facts returns the facts seen in tokens of a dialect.
func (w *Witness) Facts(dialect string) revocation.Facts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of[dialect]
}
