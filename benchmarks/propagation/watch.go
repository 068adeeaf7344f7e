package main

import (
	"context"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// stopwatch notes when a node has each entry in its index. It costs the node a
// reading of the clock.
type stopwatch struct {
	began time.Time      // instants are counted from here
	at    []atomic.Int64 // by sequence, in nanoseconds; 0: it has not come
}

// newStopwatch has room for so many sequences.
func newStopwatch(began time.Time, sequences int) *stopwatch {
	return &stopwatch{began: began, at: make([]atomic.Int64, sequences)}
}

func (w *stopwatch) note(p revocation.Position) {
	if p.Sequence < uint64(len(w.at)) {
		w.at[p.Sequence].CompareAndSwap(0, int64(time.Since(w.began)))
	}
}

// reached is when an entry was in the index, and whether it is.
func (w *stopwatch) reached(p revocation.Position) (time.Duration, bool) {
	if p.Sequence >= uint64(len(w.at)) {
		return 0, false
	}
	at := w.at[p.Sequence].Load()
	return time.Duration(at), at != 0
}

// watched is a node's ledger, whose follower is watched.
type watched struct {
	ledger.Shared
	watch *stopwatch
}

func (l watched) Follow(ctx context.Context, after revocation.Position, f ledger.Follower) error {
	return l.Shared.Follow(ctx, after, follower{f, l.watch})
}

type follower struct {
	ledger.Follower
	watch *stopwatch
}

// Applied notes the instant at which the node refuses what the entry refuses.
func (f follower) Applied(e revocation.Entry, writer string) {
	f.Follower.Applied(e, writer)
	f.watch.note(e.Position)
}
