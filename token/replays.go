package token

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxReplays is how many proofs are remembered: at most about 40 MiB. One core
// checks fewer signatures in a ProofWindow.
const maxReplays = 1 << 20

// Replays remembers the DPoP proofs that were used, as long as they could be used
// again (RFC 9449, 11.1). The zero value is ready.
//
// Its memory is bounded. When it is full, the oldest second of proofs is forgotten,
// and proofs of that second or older are refused from then on: a flood shortens the
// time that a proof is good for, and lets no proof be used twice. The proofs that
// clients make now go on being accepted.
type Replays struct {
	mu      sync.Mutex
	limit   int // maxReplays unless a test sets it
	count   int
	seconds map[int64]map[proofID]struct{} // by the time of the proof
	floor   int64                          // proofs of this second and older are refused
	newest  int64                          // the time of the newest proof that was ever noted
}

// proofID identifies a proof: a hash of the key and of the jti. So no client can
// use up the jti of another, and a jti of any length costs the same.
type proofID [16]byte

func newProofID(thumbprint, id string) (p proofID) {
	h := sha256.New()
	_, _ = h.Write([]byte(thumbprint)) // a thumbprint has one length
	_, _ = h.Write([]byte(id))
	copy(p[:], h.Sum(nil))
	return p
}

// Use notes a proof of a key, made at a time that is within ProofWindow of now. It
// returns false if the proof was noted before, or if that can't be told.
func (r *Replays) Use(thumbprint, id string, at, now time.Time) bool {
	p, second := newProofID(thumbprint, id), at.Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(now.Unix() - int64(ProofWindow/time.Second) - 1)
	if second <= r.floor {
		return false
	}
	if _, used := r.seconds[second][p]; used {
		return false
	}
	for r.count >= r.full() {
		r.forget(r.oldest())
		if second <= r.floor {
			return false
		}
	}
	if r.seconds == nil {
		r.seconds = make(map[int64]map[proofID]struct{})
	}
	if r.seconds[second] == nil {
		r.seconds[second] = make(map[proofID]struct{})
	}
	r.seconds[second][p] = struct{}{}
	r.newest = max(r.newest, second)
	r.count++
	return true
}

// Len is how many proofs are remembered.
func (r *Replays) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

func (r *Replays) full() int {
	if r.limit > 0 {
		return r.limit
	}
	return maxReplays
}

// forget drops the proofs of a second and of those before, and refuses them from
// then on, whatever becomes of the clock. What is newer than every proof was never
// used, so a clock that was ahead leaves the proofs of the right time good.
func (r *Replays) forget(through int64) {
	if through = min(through, r.newest); through <= r.floor {
		return
	}
	r.floor = through
	for second, proofs := range r.seconds {
		if second <= through {
			r.count -= len(proofs)
			delete(r.seconds, second)
		}
	}
}

func (r *Replays) oldest() int64 {
	oldest := int64(1<<63 - 1)
	for second := range r.seconds {
		oldest = min(oldest, second)
	}
	return oldest
}
