package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
	"curfew.dev/curfew/internal/pause"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// caller appends records, again and again.
type caller struct {
	node *node.Node
	// records is the number of records in one write.
	records int
	// rate is in writes per second, at random times that do not depend on
	// earlier answers. Waits count from the time a write was due. 0: the caller
	// writes again after each answer.
	rate float64
}

// wrote is the result of the callers of one kind.
type wrote struct {
	appends, records atomic.Int64
	failed           atomic.Int64

	mu      sync.Mutex
	waits   rig.Latencies
	failure error // the first
}

// users counts the users so far, so that every record names a new one.
var users atomic.Uint64

// run writes at least once, and until ctx ends. It returns after the last
// answer.
func (c caller) run(ctx context.Context, to *wrote) {
	if c.rate > 0 {
		c.keepRate(ctx, to)
		return
	}
	var waits rig.Latencies
	for first := true; first || ctx.Err() == nil; first = false {
		c.append(time.Now(), to, &waits)
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	to.waits.Add(&waits)
}

func (c caller) keepRate(ctx context.Context, to *wrote) {
	arrive(ctx, c.rate, func(due time.Time) {
		var waits rig.Latencies
		c.append(due, to, &waits)
		to.mu.Lock()
		defer to.mu.Unlock()
		to.waits.Add(&waits)
	})
}

// arrive calls do at random times until ctx ends, at this many a second. Each
// call has its own goroutine and the time at which it was due. It returns when
// all calls have.
func arrive(ctx context.Context, rate float64, do func(due time.Time)) {
	var asked sync.WaitGroup
	defer asked.Wait()
	for due := time.Now(); ; {
		now := due
		asked.Go(func() { do(now) })
		due = due.Add(time.Duration(rand.ExpFloat64() / rate * float64(time.Second)))
		if pause.For(ctx, time.Until(due)) != nil {
			return
		}
	}
}

// append writes once. It waits for the answer even after ctx has ended.
func (c caller) append(due time.Time, to *wrote, waits *rig.Latencies) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	records := make([]revocation.Record, c.records)
	for i := range records {
		records[i] = signOut(users.Add(1))
	}
	if _, err := c.node.Submit(ctx, records, ledger.Idempotency{}); err != nil {
		to.fail(err)
		time.Sleep(10 * time.Millisecond) // as a refused caller does
		return
	}
	waits.Note(time.Since(due))
	to.appends.Add(1)
	to.records.Add(int64(c.records))
}

func (w *wrote) fail(err error) {
	w.failed.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failure = cmp.Or(w.failure, err)
}

// signOut is the record that a help desk writes when a user has lost a phone.
func signOut(user uint64) revocation.Record {
	now := time.Now()
	return revocation.Record{
		Type: revocation.Cut, Mode: revocation.SignIn,
		Target: revocation.Target{Issuer: "https://login.example.com", Subject: fmt.Sprintf("auth0|%024x", user*2654435761)},
		At:     now.UnixMilli(), Through: now.Unix() + 2, Keep: int64(90 * 24 * time.Hour / time.Second), Time: now.UnixMilli(),
		Source: "admin", Actor: "helpdesk", Reason: "lost phone", Remote: "192.0.2.7:41234", RequestID: fmt.Sprintf("%032x", user*40503),
	}
}
