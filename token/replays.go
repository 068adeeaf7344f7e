package token

import (
	"cmp"
	"crypto/sha256"
	"slices"
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
// and proofs of that second are refused from then on: a flood shortens the
// time that a proof is good for, and lets no proof be used twice. The proofs that
// clients make now go on being accepted.
type Replays struct {
	mu      sync.Mutex
	limit   int // maxReplays unless a test sets it
	count   int
	seconds map[int64]map[proofID]struct{} // by the time of the proof
	past    int64                          // proofs of this second and older are too old
	gone    []span                         // seconds whose proofs were forgotten; proofs of them are refused
}

// span is a range of seconds, with both ends.
type span struct{ from, to int64 }

// maxSpans is how many spans are kept apart. Only a clock that was set makes more
// than one that matter.
const maxSpans = 8

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
	if past := now.Unix() - int64(ProofWindow/time.Second) - 1; past != r.past {
		r.past = past
		r.forget(past)
	}
	if r.isGone(second) {
		return false
	}
	if _, used := r.seconds[second][p]; used {
		return false
	}
	for r.count >= r.full() {
		r.forget(r.oldest())
		if r.isGone(second) {
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
// then on, whatever becomes of the clock. A second of which no proof was ever noted
// stays good: so a clock that was ahead takes nothing from the time that it skipped.
func (r *Replays) forget(through int64) {
	for second, proofs := range r.seconds {
		if second <= through {
			r.count -= len(proofs)
			delete(r.seconds, second)
			r.refuse(second)
		}
	}
}

func (r *Replays) isGone(second int64) bool {
	return slices.ContainsFunc(r.gone, func(s span) bool { return s.from <= second && second <= s.to })
}

// refuse adds a second to what is gone. Of too many spans the closest two become
// one, with what lies between.
func (r *Replays) refuse(second int64) {
	at, _ := slices.BinarySearchFunc(r.gone, second, func(s span, second int64) int { return cmp.Compare(s.from, second) })
	r.gone = slices.Insert(r.gone, at, span{second, second})
	for i := len(r.gone) - 1; i > 0; i-- {
		if r.gone[i].from <= r.gone[i-1].to+1 {
			r.join(i)
		}
	}
	for len(r.gone) > maxSpans {
		closest := 1
		for i := range r.gone[1:] {
			if r.gone[i+1].from-r.gone[i].to < r.gone[closest].from-r.gone[closest-1].to {
				closest = i + 1
			}
		}
		r.join(closest)
	}
}

// join makes one span of the i-th and the one before.
func (r *Replays) join(i int) {
	r.gone[i-1].to = max(r.gone[i-1].to, r.gone[i].to)
	r.gone = slices.Delete(r.gone, i, i+1)
}

func (r *Replays) oldest() int64 {
	oldest := int64(1<<63 - 1)
	for second := range r.seconds {
		oldest = min(oldest, second)
	}
	return oldest
}
