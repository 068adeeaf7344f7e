package main

import (
	"context"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// stopwatch records the time at which a node has each entry in its index. It
// costs the node one reading of the clock for each entry.
type stopwatch struct {
	began time.Time      // instants are counted from here
	at    []atomic.Int64 // by sequence, in nanoseconds; 0: it has not come
}

// newStopwatch returns a stopwatch for the given number of sequences.
func newStopwatch(began time.Time, sequences int) *stopwatch {
	return &stopwatch{began: began, at: make([]atomic.Int64, sequences)}
}

func (w *stopwatch) note(p revocation.Position) {
	if p.Sequence < uint64(len(w.at)) {
		w.at[p.Sequence].CompareAndSwap(0, int64(time.Since(w.began)))
	}
}

// reached returns the time at which an entry was in the index, and whether it
// was.
func (w *stopwatch) reached(p revocation.Position) (time.Duration, bool) {
	if p.Sequence >= uint64(len(w.at)) {
		return 0, false
	}
	at := w.at[p.Sequence].Load()
	return time.Duration(at), at != 0
}

// watched is the ledger of a node whose follower is watched.
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

// Applied records the time at which the node enforces the entry.
func (f follower) Applied(e revocation.Entry, writer string) {
	f.Follower.Applied(e, writer)
	f.watch.note(e.Position)
}
