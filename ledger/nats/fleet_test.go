package nats_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
)

// All nodes apply the entries of one node in one order, at the same positions. A
// node that joins later reads the same entries.
func TestFleet(t *testing.T) {
	c := natstest.Run(t, 3)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	var wg sync.WaitGroup
	for i := range 20 {
		for _, e := range []*edge{a, b} {
			wg.Go(func() { e.write(fmt.Sprint(e.options.Node, i)) })
		}
	}
	wg.Wait()
	late := join(t, fleetOptions(t, c, "late"))
	want := revocation.Position{Epoch: 1, Sequence: 41}
	for _, e := range []*edge{a, b, late} {
		e.reaches(want)
	}
	if a.Head() != b.Head() || a.Head() != late.Head() {
		t.Errorf("heads differ: %v, %v, %v", a.Head(), b.Head(), late.Head())
	}
	for _, e := range []*edge{a, b, late} {
		until(t, "the follower was told", func() bool { return len(e.reasons()) == 41 })
	}
	if !slices.Equal(a.reasons(), b.reasons()) || !slices.Equal(a.reasons(), late.reasons()) {
		t.Error("nodes applied different entries")
	}
}

// An idempotency key counts in the whole fleet. If several nodes use it at once, one
// of them writes.
func TestIdempotencyOfTheFleet(t *testing.T) {
	c := natstest.Run(t, 1)
	edges := []*edge{join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b")), join(t, fleetOptions(t, c, "c"))}
	key := ledger.Idempotency{Key: [32]byte{1}, Request: [32]byte{2}, Expires: time.Now().Add(time.Hour)}
	var mu sync.Mutex
	var wg sync.WaitGroup
	positions, writers := make(map[revocation.Position]bool), 0
	for i := range 30 {
		wg.Go(func() {
			p, replayed, err := edges[i%3].Append(t.Context(), []revocation.Record{block("alice", "once")}, key)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if positions[p] = true; !replayed {
				writers++
			}
		})
	}
	wg.Wait()
	if len(positions) != 1 || writers != 1 {
		t.Fatalf("%d positions, %d writers", len(positions), writers)
	}
	for _, e := range edges {
		e.reaches(revocation.Position{Epoch: 1, Sequence: 2})
		if got := e.Head().Position.Sequence; got != 2 {
			t.Errorf("%s has %d entries", e.options.Node, got)
		}
		other := key
		other.Request = [32]byte{3}
		if _, _, err := e.Append(t.Context(), []revocation.Record{block("alice", "another")}, other); !errors.Is(err, ledger.ErrKeyReused) {
			t.Errorf("%s: another request with the key: %v", e.options.Node, err)
		}
	}
	// A node that has the key from its replica returns the same.
	edges[0].leave()
	again := join(t, edges[0].options)
	following(t, again.Ledger)
	if _, replayed, err := again.Append(t.Context(), []revocation.Record{block("alice", "once")}, key); err != nil || !replayed {
		t.Errorf("after a restart: replayed %t, %v", replayed, err)
	}
}

// Ticks are in the log: a node that reads one has read every entry before it.
func TestTicks(t *testing.T) {
	c := natstest.Run(t, 1)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	following(t, a.Ledger)
	following(t, b.Ledger)
	p := a.write("before")
	if err := b.tick(); err != nil {
		t.Fatal(err)
	}
	until(t, "a tick comes", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.ticks) > 0 })
	if got := a.ticks[0]; got.By != "b/1" || len(got.Echoes) != 1 || got.Echoes[0].Nonce != 1 || got.Echoes[0].MaxStaleness != time.Minute {
		t.Errorf("got %+v", got)
	}
	if a.Head().Position != p {
		t.Errorf("a tick took a position: %s", a.Head().Position)
	}
	b.measures()
	if off := b.Connection().Offset; off.Abs() > slowest/2 {
		t.Errorf("one machine's clock is off by %s", off)
	}
}

func TestFleetTalks(t *testing.T) {
	c := natstest.Run(t, 1)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	following(t, a.Ledger)
	following(t, b.Ledger)
	a.listens()
	b.listens()
	ref := revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 7}}
	// A node that does not listen yet misses a message and gets the next one.
	until(t, "both hear the heartbeat", func() bool {
		if err := a.Say(ledger.Heartbeat{Node: "a/1", Nonce: 9}); err != nil {
			t.Fatal(err)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(a.beats) > 0 && len(b.beats) > 0 && b.beats[0].Nonce == 9
	})
	until(t, "only the writer hears the acknowledgement", func() bool {
		if err := b.Acknowledge("a/1", ledger.Acknowledgement{Node: "b/1", Position: ref.Position, Cut: []ledger.CutCount{{Ref: ref, Count: 3}}}); err != nil {
			t.Fatal(err)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.acks) > 0 && a.acks[0].Cut[0].Count == 3 && a.acks[0].Position == ref.Position
	})
	if len(b.acks) != 0 {
		t.Error("an acknowledgement went to its sender")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if got := a.Ask(ctx, ref, 1); len(got) != 1 || got[0].Node != "asked" || got[0].Cut != 7 {
		t.Errorf("asking: %+v", got)
	}
}

// A node continues from its replica, and reads again the entries that a crash lost.
func TestRestart(t *testing.T) {
	c := natstest.Run(t, 1)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	a.write("one")
	b.reaches(revocation.Position{Epoch: 1, Sequence: 2})
	b.leave()
	last := a.write("two")
	b = join(t, b.options)
	b.reaches(last)
	if a.Head() != b.Head() {
		t.Errorf("heads differ: %v, %v", a.Head(), b.Head())
	}
	until(t, "the follower was told", func() bool { return slices.Equal(b.reasons(), []string{"", "one", "two"}) })
}

// Servers stop and start. A ledger reports it, writes nothing meanwhile, and
// continues.
func TestServersRestart(t *testing.T) {
	c := natstest.Run(t, 3)
	a := join(t, fleetOptions(t, c, "a"))
	a.write("before")
	for i := range 3 {
		c.Stop(i)
	}
	until(t, "the loss is noticed", func() bool { return a.Connection().Problem != nil })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, _, err := a.Append(ctx, []revocation.Record{cut("alice", "lost")}, ledger.Idempotency{}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("appending without servers: %v", err)
	}
	for i := range 3 {
		c.Start(i)
	}
	c.Await()
	until(t, "appending works again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, _, err := a.Append(ctx, []revocation.Record{cut("alice", "after")}, ledger.Idempotency{})
		return err == nil
	})
	if err := a.Err(); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(a.reasons(), "lost") {
		t.Error("what was refused was written")
	}
}

// A new follower first gets the nodes that may be serving. They include nodes whose
// ticks came before it followed, and before its restart.
func TestRosterIsKept(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	following(t, a.Ledger)
	for _, echoes := range [][]ledger.Echo{
		{{Node: "a/1", Nonce: 1, MaxStaleness: time.Hour}, {Node: "gone/1", Nonce: 4, MaxStaleness: time.Hour}},
		{{Node: "a/1", Nonce: 2, MaxStaleness: time.Hour}, {Node: "quick/1", Nonce: 4, MaxStaleness: time.Nanosecond}},
		{{Node: "a/1", Nonce: 3, MaxStaleness: time.Hour}, {Node: "b/1", Nonce: 5, MaxStaleness: time.Hour}},
	} {
		if err := a.Tick(t.Context(), echoes, nil); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the ticks come", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.ticks) == 3 })
	want := map[string]uint64{"a/1": 3, "b/1": 5, "gone/1": 4}
	for _, e := range []*edge{join(t, fleetOptions(t, c, "new")), again(t, a)} {
		following(t, e.Ledger)
		var got map[string]uint64
		until(t, "a roster comes, or the last tick", func() bool { got = e.echoes(); return got["a/1"] == 3 })
		delete(got, "quick/1") // a follower from the start gets this node too
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", e.options.Node, got, want)
		}
	}
}

// echoes returns the newest nonces that a follower got.
func (e *edge) echoes() map[string]uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	newest := make(map[string]uint64)
	for _, tick := range slices.Concat(e.rosters, e.ticks) {
		for _, echo := range tick.Echoes {
			newest[echo.Node] = max(newest[echo.Node], echo.Nonce)
		}
	}
	return newest
}

func again(t *testing.T, e *edge) *edge {
	e.leave()
	return join(t, e.options)
}
