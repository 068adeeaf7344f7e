package node

import (
	"sync"
	"sync/atomic"
	"time"
)

// proof says that a node knew, at an instant of its own clock, everything that
// was acknowledged until then. The instant is when it sent a nonce that came back
// in a tick.
type proof struct {
	sent time.Time // with its monotonic reading
	wall int64     // the same by the wall clock, in Unix nanoseconds
	// limit is how long it lasts, and unbounded that it lasts for ever, as all
	// nodes were told with the nonce. A newer configuration may make them
	// stricter. More would break the bounds of receipts that others gave.
	limit     time.Duration
	unbounded bool
}

// staleness takes the larger of two clocks: the monotonic one stands still
// while a machine is suspended, and the wall clock may be set back.
func (p *proof) staleness(now time.Time) time.Duration {
	return max(now.Sub(p.sent), time.Duration(now.UnixNano()-p.wall))
}

func (p *proof) stale(now time.Time) bool { return p.staleness(now) > p.limit }

// over reports whether the node may no longer decide by the proof.
func (p *proof) over(now time.Time) bool { return p.stale(now) && !p.unbounded }

func (p *proof) tighten(limit time.Duration, unbounded bool) {
	p.limit = min(p.limit, limit)
	p.unbounded = p.unbounded && unbounded
}

// freshness is the newest proof of a node and the nonces that may become the next.
// The zero value has neither.
type freshness struct {
	newest atomic.Pointer[proof]

	mu        sync.Mutex
	limit     time.Duration // of the next nonce
	unbounded bool
	last      promise   // the newest
	sent      []promise // that did not come back, oldest first
}

// promise is the proof that a nonce becomes once it comes back.
type promise struct {
	nonce uint64
	proof
}

// promises is how many nonces without an echo are remembered. An echo of one
// that is forgotten proves nothing, and a newer one will come.
const promises = 4096

// next is a nonce to send, and the bounds to send with it. Now is an instant before
// that.
func (f *freshness) next(now time.Time) promise {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = promise{f.last.nonce + 1, proof{now, now.UnixNano(), f.limit, f.unbounded}}
	if len(f.sent) == promises {
		f.sent = append(f.sent[:0], f.sent[promises/2:]...)
	}
	f.sent = append(f.sent, f.last)
	return f.last
}

// newestPromise is the promise that a tick of this node echoes.
func (f *freshness) newestPromise() promise {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// echoed takes the proof of a nonce that came back. One that was never sent
// since the start, or is older than one that came, proves nothing.
func (f *freshness) echoed(nonce uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.sent {
		if f.sent[i].nonce == nonce {
			proven := f.sent[i].proof
			f.newest.Store(&proven)
			f.sent = append(f.sent[:0], f.sent[i+1:]...)
			return
		}
	}
}

// configure sets the bounds of later nonces. It shortens those of nonces that were
// sent and of the newest proof, and lengthens none.
func (f *freshness) configure(limit time.Duration, unbounded bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit, f.unbounded = limit, unbounded
	for i := range f.sent {
		f.sent[i].tighten(limit, unbounded)
	}
	f.last.tighten(limit, unbounded)
	if p := f.newest.Load(); p != nil {
		tightened := *p
		tightened.tighten(limit, unbounded)
		f.newest.Store(&tightened)
	}
}

// forget drops all proofs: they were of a ledger that is closed. Nonces go on.
func (f *freshness) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = nil
	f.newest.Store(nil)
}

// StateAt is the gate of every decision: whether the node may decide at an
// instant of its own clock. It is a few atomic loads, so that a process that
// was stopped, or a machine that was suspended, refuses the first request that
// it sees: no timer has to fire before.
func (n *Node) StateAt(now time.Time) State {
	s := State(n.state.Load())
	if p := n.fresh.newest.Load(); p != nil && s == Ready && p.over(now) {
		s = Fenced
	}
	if n.held.Load() != nil && (s == Ready || s == Fenced) {
		return Starting
	}
	return s
}

// State is StateAt of this moment.
func (n *Node) State() State {
	var now time.Time
	if n.fresh.newest.Load() != nil { // a local ledger needs no clock
		now = n.cfg.Now()
	}
	return n.StateAt(now)
}

// StaleAt reports whether the node serves though it can't prove that it is fresh
// (on_stale allow). A caller that admits then counts a stale admission. It is one
// atomic load, and always false with a local ledger.
func (n *Node) StaleAt(now time.Time) bool {
	p := n.fresh.newest.Load()
	return p != nil && p.unbounded && p.stale(now)
}

// Staleness is how long ago the node last knew for certain that it knows
// everything that was acknowledged; 0 with a local ledger, and before the first
// proof.
func (n *Node) Staleness() time.Duration {
	if p := n.fresh.newest.Load(); p != nil {
		return max(0, p.staleness(n.cfg.Now()))
	}
	return 0
}
