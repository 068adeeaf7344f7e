package token

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	// remembered is how many tokens are kept, and maxRemembered how long one may
	// be: 1 MiB for an issuer at most.
	remembered    = 256
	maxRemembered = 4 << 10
)

// checked remembers the results of signature checks of refused tokens, so that a client that sends an expired or forged one over and over
// costs no cryptography.
//
// A result is arithmetic, not a verdict: that this key signed exactly these
// bytes, or did not, is true for ever. So it can't turn against a good
// token, and everything but the signature is judged anew each time; once the
// issuer publishes another key, be it under the same kid, it says nothing. A
// new token replaces the one in its slot. Ever new tokens at a high rate replace
// all, and cost as much as they would without this type.
type checked struct {
	seed  maphash.Seed
	slots [remembered]atomic.Pointer[check]
}

// check is immutable.
type check struct {
	raw    string
	key    *key
	signed bool
}

func newChecked() *checked { return &checked{seed: maphash.MakeSeed()} }

func (m *checked) slot(raw string) *atomic.Pointer[check] {
	return &m.slots[maphash.String(m.seed, raw)%remembered]
}

// recall tells whether k signed the token; known is false if that has to be
// found out.
func (m *checked) recall(raw string, k *key) (signed, known bool) {
	c := m.slot(raw).Load()
	if c == nil || c.key != k || c.raw != raw {
		return false, false
	}
	return c.signed, true
}

func (m *checked) note(raw string, k *key, signed bool) {
	if _, known := m.recall(raw, k); !known && len(raw) <= maxRemembered {
		m.slot(raw).Store(&check{strings.Clone(raw), k, signed}) // not the request's whole header
	}
}
