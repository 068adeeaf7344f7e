package node_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// afloat starts a few nodes and waits until they know one another.
func afloat(t *testing.T, s *sharedLog, settings ...node.Settings) []*testNode {
	t.Helper()
	var fleet []*testNode
	for i, is := range settings {
		fleet = append(fleet, s.start(t, string(rune('a'+i)), is))
	}
	time.Sleep(5 * time.Second)
	for _, b := range fleet {
		b.mustBe(t, node.Ready)
	}
	return fleet
}

// awaited is a write, after a caller's wait.
func awaited(t *testing.T, b *testNode, sub string, wait time.Duration) (node.Written, node.Enforcement) {
	t.Helper()
	w := b.submit(t, sub)
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	b.Await(ctx, w.Position)
	return w, b.enforcement(t, w)
}

// How long a write took to be in force everywhere is measured on the node that
// wrote it, though no caller waits. A node that doesn't answer makes it long, and
// is waited for only until it must have fenced itself.
func TestTheTimeUntilEveryNodeEnforcesIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := afloat(t, newSharedLog(), node.Settings{}, node.Settings{}, node.Settings{})
		fleet[0].submit(t, "alice")
		time.Sleep(time.Second)
		if got := fleet[0].everywhere.Load(); got == nil || *got > time.Second {
			t.Errorf("three nodes that are there: %v", got)
		}
		if got := fleet[1].everywhere.Load(); got != nil {
			t.Errorf("a node that wrote nothing has measured %s", *got)
		}
		fleet[0].everywhere.Store(nil)
		fleet[2].down(true)
		fleet[0].submit(t, "bob")
		time.Sleep(time.Second)
		if got := fleet[0].everywhere.Load(); got != nil {
			t.Errorf("with a node that does not hear: %s", *got)
		}
		time.Sleep(time.Minute)
		if got := fleet[0].everywhere.Load(); got == nil || *got < 2*time.Second {
			t.Errorf("after the node has fenced itself: %v", got)
		}
	})
}

// A write is enforced on every node when the wait is over, within milliseconds,
// and the receipt says where and from when.
func TestReceiptOfAFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := afloat(t, newSharedLog(), node.Settings{Expect: 3}, node.Settings{MaxStaleness: time.Minute}, node.Settings{})
		began := time.Now()
		w, got := awaited(t, fleet[0], "alice", 2*time.Second)
		if took := time.Since(began); took > 20*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		if got.State != "enforced" || fmt.Sprint(states(got)) != "[a/1 enforced b/1 enforced c/1 enforced]" {
			t.Errorf("%+v", got)
		}
		for _, b := range fleet {
			if !isCut(b.Node, "alice") {
				t.Errorf("%s does not know", b.ID())
			}
		}
		bound := got.Nodes[0].EnforcedAt.Add(time.Minute)
		if got.EnforcedBy == nil || got.EnforcedBy.Before(bound) || got.EnforcedBy.After(bound.Add(2*time.Millisecond)) {
			t.Errorf("bound %v, want %s: the longest of the roster", got.EnforcedBy, bound)
		}
		fleet[0].Configure(node.Settings{Expect: 4})
		if e := fleet[0].enforcement(t, w); e.State != "partial" {
			t.Errorf("with one missing: %s", e.State)
		}
	})
}

// A node that can't be heard is pending until it has fenced itself.
func TestPendingThenFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		fleet := afloat(t, s, node.Settings{}, node.Settings{MaxStaleness: 10 * time.Second}, node.Settings{})
		fleet[1].down(true)
		began := time.Now()
		w, got := awaited(t, fleet[0], "alice", 2*time.Second)
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("the wait ended after %s", took)
		}
		if got.State != "pending" || fmt.Sprint(states(got)) != "[a/1 enforced b/1 pending c/1 enforced]" || got.EnforcedBy == nil {
			t.Errorf("%+v", got)
		}
		for fleet[0].enforcement(t, w).State == "pending" {
			time.Sleep(time.Millisecond)
			if fleet[0].enforcement(t, w).State != "pending" && fleet[1].State() == node.Ready {
				t.Error("it is said to be fenced while it serves")
			}
		}
		if got := fleet[0].enforcement(t, w); got.State != "enforced" || fmt.Sprint(states(got)) != "[a/1 enforced b/1 fenced c/1 enforced]" || time.Since(began) > 11*time.Second {
			t.Errorf("after %s: %+v", time.Since(began), got)
		}
		time.Sleep(3 * time.Second) // the last echo of it came later than its last proof
		if _, got := awaited(t, fleet[0], "bob", 2*time.Second); got.State != "enforced" || fmt.Sprint(states(got)) != "[a/1 enforced c/1 enforced]" {
			t.Errorf("a fenced node is waited for: %+v", got)
		}
		time.Sleep(20 * time.Second)
		fleet[1].down(false)
		time.Sleep(2 * time.Second)
		fleet[1].mustBe(t, node.Ready)
		if got := fleet[0].enforcement(t, w); fmt.Sprint(states(got)) != "[a/1 enforced b/1 enforced c/1 enforced]" {
			t.Errorf("%+v", got)
		}
	})
}

// While a node serves though it is stale there is no bound, and it is pending
// for as long as it is not heard.
func TestUnboundedReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := afloat(t, newSharedLog(), node.Settings{}, node.Settings{Unbounded: true})
		_, got := awaited(t, fleet[0], "alice", 2*time.Second)
		if got.State != "enforced" || got.EnforcedBy != nil {
			t.Errorf("%+v", got)
		}
		fleet[1].down(true)
		w, got := awaited(t, fleet[0], "bob", 8*time.Second)
		if got.State != "pending" || got.EnforcedBy != nil {
			t.Errorf("%+v", got)
		}
		time.Sleep(5 * time.Minute)
		fleet[1].mustBe(t, node.Ready)
		if got := fleet[0].enforcement(t, w); got.State != "pending" || got.EnforcedBy != nil {
			t.Errorf("%+v", got)
		}
	})
}

// A node that leaves admits nothing, so nobody waits for it.
func TestLeavingNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := afloat(t, newSharedLog(), node.Settings{}, node.Settings{})
		fleet[1].end().set(func(e *end) { e.stuck = true })
		w, got := awaited(t, fleet[0], "alice", 2*time.Second)
		if got.State != "pending" {
			t.Errorf("%+v", got)
		}
		go func() { _ = fleet[1].Close() }()
		began := time.Now()
		fleet[0].Await(t.Context(), w.Position)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it waited %s", took)
		}
		if got := fleet[0].enforcement(t, w); got.State != "enforced" || len(got.Nodes) != 1 {
			t.Errorf("%+v", got)
		}
		_, got = awaited(t, fleet[0], "bob", 2*time.Second)
		if got.State != "enforced" || len(got.Nodes) != 1 {
			t.Errorf("%+v", got)
		}
		if nodes := fleet[0].Nodes(); len(nodes) != 1 {
			t.Errorf("%+v", nodes)
		}
	})
}

// An acknowledgement that gets lost is made up for by the next heartbeat.
func TestLostAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := afloat(t, newSharedLog(), node.Settings{}, node.Settings{})
		fleet[1].end().set(func(e *end) { e.mute = true })
		if _, got := awaited(t, fleet[0], "alice", 2*time.Second); got.State != "enforced" {
			t.Errorf("%+v", got)
		}
	})
}

// The receipt is the same on another node, and on its writer after a restart,
// which says nothing before it knows who else there is.
func TestReceiptsElsewhereAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := new(live.Registry)
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{})
		b := s.start(t, "b", node.Settings{}, func(b *testNode) { b.live = requests })
		c := s.start(t, "c", node.Settings{})
		time.Sleep(5 * time.Second)
		ended := open(t, b.Node, requests, "alice")
		w, got := awaited(t, a, "alice", 2*time.Second)
		<-ended
		ref := revocation.Ref{Position: w.Position}
		if got.LiveRequestsCut != 1 || got.Nodes[1].LiveRequestsCut != 1 || got.Nodes[1].Node != "b/1" {
			t.Errorf("the writer counts %+v", got)
		}
		elsewhere, err := c.Receipt(t.Context(), ref)
		if err != nil || elsewhere.Enforcement.State != "enforced" || elsewhere.Enforcement.LiveRequestsCut != 1 || len(elsewhere.Enforcement.Nodes) != 3 {
			t.Errorf("%+v, %v", elsewhere.Enforcement, err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		a.start(t)
		for a.State() != node.Ready {
			time.Sleep(time.Millisecond)
		}
		if r, err := a.Receipt(t.Context(), ref); err != nil || r.Enforcement.State != "pending" || r.Enforcement.EnforcedBy != nil {
			t.Errorf("just started: %+v, %v", r.Enforcement, err)
		}
		time.Sleep(4 * time.Second)
		again, err := a.Receipt(t.Context(), ref)
		if err != nil || again.Enforcement.State != "enforced" || again.Enforcement.LiveRequestsCut != 1 || len(again.Enforcement.Nodes) != 3 {
			t.Errorf("%+v, %v", again.Enforcement, err)
		}
		// One that does not answer costs no more than the time to ask.
		c.down(true)
		began := time.Now()
		if _, err := a.Receipt(t.Context(), ref); err != nil || time.Since(began) > time.Second/2 {
			t.Errorf("%s, %v", time.Since(began), err)
		}
		if _, err := a.Receipt(t.Context(), revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 99}}); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// How sure the servers' syncing is, is said.
func TestDurability(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := afloat(t, newSharedLog(), node.Settings{})[0]
		w := a.submit(t, "alice")
		for verified, want := range map[bool]string{true: "verified", false: "unverified"} {
			a.end().set(func(e *end) { e.verified = verified })
			if r, err := a.Receipt(t.Context(), revocation.Ref{Position: w.Position}); err != nil || r.Durability != want {
				t.Errorf("%s, %v", r.Durability, err)
			}
		}
	})
}

// A receipt that lacked nodes is complete once they are back and enforce the
// record; one that was restarted does not count for another.
func TestPartialUntilAllAreBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		three := node.Settings{Expect: 3, MaxStaleness: 10 * time.Second}
		fleet := afloat(t, s, three, three, three)
		a, b, c := fleet[0], fleet[1], fleet[2]
		c.down(true)
		time.Sleep(15 * time.Second)
		w, got := awaited(t, a, "alice", 2*time.Second)
		if got.State != "partial" {
			t.Errorf("while c is away: %+v", got)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b.start(t)
		time.Sleep(5 * time.Second)
		if got := a.enforcement(t, w); got.State != "partial" || fmt.Sprint(states(got)) != "[a/1 enforced b/1 enforced b/2 enforced]" {
			t.Errorf("when b was restarted: %+v", got)
		}
		c.down(false)
		time.Sleep(5 * time.Second)
		for _, g := range fleet {
			if got := g.enforcement(t, w); got.State != "enforced" || len(got.Nodes) < 3 {
				t.Errorf("%s, when c is back: %+v", g.ID(), got)
			}
		}
	})
}

// A writer whose clock is wrong says so and writes nothing.
func TestWrongClocksDoNotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := afloat(t, newSharedLog(), node.Settings{})[0]
		for offset, ok := range map[time.Duration]bool{time.Second: true, -time.Second: true, 1500 * time.Millisecond: false, -3 * time.Second: false} {
			a.end().set(func(e *end) { e.offset = offset })
			_, err := a.Submit(t.Context(), []revocation.Record{cutOf("alice")}, ledger.Idempotency{})
			if ok != (err == nil) {
				t.Errorf("off by %s: %v", offset, err)
			}
			if !ok && (!errors.Is(err, ledger.ErrUnavailable) || !strings.Contains(err.Error(), offset.Abs().String()) || !strings.Contains(err.Error(), "NTP")) {
				t.Errorf("off by %s: %v", offset, err)
			}
		}
	})
}

// An entry that became durable without an answer is enforced everywhere, and a
// retry with the same key finds it.
func TestUnknownOutcomeInAFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := afloat(t, newSharedLog(), node.Settings{}, node.Settings{})
		key := ledger.Idempotency{Key: [32]byte{1}, Request: [32]byte{2}, Expires: time.Now().Add(time.Hour)}
		fleet[0].end().set(func(e *end) { e.silent = true })
		if _, err := fleet[0].Submit(t.Context(), []revocation.Record{cutOf("alice")}, key); !errors.Is(err, ledger.ErrOutcomeUnknown) {
			t.Fatal(err)
		}
		time.Sleep(soon)
		fleet[0].end().set(func(e *end) { e.silent = false })
		for _, b := range fleet {
			if !isCut(b.Node, "alice") {
				t.Errorf("%s does not know", b.ID())
			}
			if w, err := b.Submit(t.Context(), []revocation.Record{cutOf("alice")}, key); err != nil || !w.Replayed {
				t.Errorf("%s wrote it again: %+v, %v", b.ID(), w, err)
			}
		}
		// A node that the first one has not reached does not say that it has.
		key.Key[0]++
		if _, err := fleet[0].Submit(t.Context(), []revocation.Record{cutOf("bob")}, key); err != nil {
			t.Fatal(err)
		}
		fleet[1].end().set(func(e *end) { e.stuck = true })
		key.Key[0]++
		w := fleet[0]
		if _, err := w.Submit(t.Context(), []revocation.Record{cutOf("carol")}, key); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := fleet[1].Submit(ctx, []revocation.Record{cutOf("carol")}, key); !errors.Is(err, ledger.ErrOutcomeUnknown) {
			t.Errorf("got %v", err)
		}
	})
}

// A damaged node serves nothing, closes its ledger and opens it again every few
// seconds, until somebody has adopted what is there. It forgets nothing.
func TestDamagedInAFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		requests := new(live.Registry)
		a := s.start(t, "a", node.Settings{})
		var attempts atomic.Int32
		var broken atomic.Pointer[error]
		b := s.start(t, "b", node.Settings{}, func(b *testNode) {
			b.live = requests
			b.opened = func(*end) error {
				attempts.Add(1)
				if err := broken.Load(); err != nil {
					return *err
				}
				return nil
			}
		})
		time.Sleep(5 * time.Second)
		b.submit(t, "alice")
		ended := open(t, b.Node, requests, "bob")
		damage := fmt.Errorf("%w: the chain is broken", ledger.ErrIntegrity)
		broken.Store(&damage)
		b.end().set(func(e *end) { e.failure = damage })
		time.Sleep(time.Second)
		b.mustBe(t, node.Damaged)
		if <-ended != 401 {
			t.Error("a live request goes on")
		}
		if !errors.Is(b.Why(), ledger.ErrIntegrity) {
			t.Errorf("why: %v", b.Why())
		}
		if _, err := b.Submit(t.Context(), []revocation.Record{cutOf("x")}, ledger.Idempotency{}); !errors.Is(err, ledger.ErrIntegrity) {
			t.Errorf("got %v", err)
		}
		if nodes := a.Nodes(); len(nodes) != 2 || nodes[1].State != "damaged" {
			t.Errorf("%+v", nodes)
		}
		// It admits nothing, so nobody waits for it.
		if _, got := awaited(t, a, "carol", 2*time.Second); got.State != "enforced" || len(got.Nodes) != 1 {
			t.Errorf("%+v", got)
		}
		before := attempts.Load()
		time.Sleep(time.Minute)
		if n := attempts.Load() - before; n < 11 || n > 13 {
			t.Errorf("%d attempts in a minute", n)
		}
		b.mustBe(t, node.Damaged)
		broken.Store(nil)
		time.Sleep(6 * time.Second)
		b.mustBe(t, node.Ready)
		for _, sub := range []string{"alice", "carol"} {
			if !isCut(b.Node, sub) {
				t.Errorf("%s is not cut", sub)
			}
		}
		time.Sleep(3 * time.Second)
		if _, got := awaited(t, b, "dave", 2*time.Second); got.State != "enforced" || len(got.Nodes) != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// Proofs of a ledger that was closed don't hold for one that was opened again, and
// a tick does not mend a damaged one.
func TestDamageEndsAllProofs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		fleet := afloat(t, s, node.Settings{}, node.Settings{})
		b := fleet[1]
		b.opened = func(e *end) error { e.stuck = true; return nil }
		b.end().set(func(e *end) { e.failure, e.creeping = ledger.ErrIntegrity, true })
		if _, err := b.Submit(t.Context(), []revocation.Record{cutOf("x")}, ledger.Idempotency{}); !errors.Is(err, ledger.ErrIntegrity) {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.write(logged{tick: &ledger.Tick{By: "a/1", Echoes: []ledger.Echo{{Node: "a/1", Nonce: 1}}}})
		s.mu.Unlock()
		for range 10_000 {
			if b.State() == node.Ready {
				t.Fatal("it is ready again")
			}
			time.Sleep(time.Millisecond)
		}
		b.mustBe(t, node.Starting)
		b.end().set(func(e *end) { e.stuck = false })
		time.Sleep(soon)
		b.mustBe(t, node.Ready)
	})
}

// A node that can only say that it leaves is heard, too.
func TestLeavingWithoutATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{})
		b := s.start(t, "b", node.Settings{}, func(b *testNode) { b.opened = func(e *end) error { e.readOnly = true; return nil } })
		time.Sleep(5 * time.Second)
		if _, got := awaited(t, a, "alice", time.Second); got.State != "enforced" || len(got.Nodes) != 2 {
			t.Errorf("%+v", got)
		}
		_ = b.Close()
		time.Sleep(10 * time.Millisecond)
		if _, got := awaited(t, a, "bob", time.Second); got.State != "enforced" || len(got.Nodes) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// A node that hears by a heartbeat that another enforces a record has heard the
// count before: a complete receipt has it.
func TestCountsComeBeforeHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := new(live.Registry)
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{})
		b := s.start(t, "b", node.Settings{}, func(b *testNode) { b.live = requests })
		time.Sleep(5 * time.Second)
		for i := range 1000 { // some fall between a heartbeat and the acknowledgement that is due
			sub := fmt.Sprint("alice-", i)
			ended := open(t, b.Node, requests, sub)
			a.submit(t, "somebody else")
			_, got := awaited(t, a, sub, 2*time.Second)
			<-ended
			if got.State != "enforced" || got.LiveRequestsCut != 1 {
				t.Errorf("%s: %+v", sub, got)
				break
			}
		}
		time.Sleep(time.Second)
	})
}

// The count of another node is kept though it comes before the writer has read its
// own entry.
func TestCountsComeBeforeTheEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := new(live.Registry)
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{})
		b := s.start(t, "b", node.Settings{}, func(b *testNode) { b.live = requests })
		time.Sleep(5 * time.Second)
		ended := open(t, b.Node, requests, "alice")
		a.end().set(func(e *end) { e.stuck = true })
		written := make(chan node.Written, 1)
		go func() { written <- a.submit(t, "alice") }()
		<-ended
		time.Sleep(soon) // it is told
		a.end().set(func(e *end) { e.stuck = false })
		w := <-written
		a.Await(t.Context(), w.Position)
		if got := a.enforcement(t, w); got.State != "enforced" || got.LiveRequestsCut != 1 {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Second)
	})
}

// A node enforces what it has cut, whatever its heartbeats say meanwhile.
func TestEnforcedIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := new(live.Registry)
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{})
		b := s.start(t, "b", node.Settings{}, func(b *testNode) { b.live = requests })
		time.Sleep(5 * time.Second)
		ended := openJudged(t, requests, "alice", slowly{whileReady{b.Node, "alice"}})
		w, got := awaited(t, a, "alice", 5*time.Second)
		if got.State != "pending" || got.LiveRequestsCut != 0 {
			t.Errorf("%+v", got)
		}
		<-ended
		a.Await(t.Context(), w.Position)
		if got := a.enforcement(t, w); got.State != "enforced" || got.LiveRequestsCut != 1 {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Second)
	})
}

// Every node that is heard has a line, this one first.
func TestNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := afloat(t, newSharedLog(), node.Settings{Version: "v1", ConfigDigest: "d1"}, node.Settings{Version: "v2", ConfigDigest: "d2", MaxStaleness: 10 * time.Second}, node.Settings{})
		got := fleet[2].Nodes()
		names := func() (all []string) {
			for _, s := range fleet[2].Nodes() {
				all = append(all, s.Node+" "+s.State)
			}
			return all
		}
		if fmt.Sprint(names()) != "[c/1 ready a/1 ready b/1 ready]" {
			t.Fatalf("%+v", got)
		}
		if a := got[1]; a.Version != "v1" || a.ConfigDigest != "d1" || a.Epoch != 1 || a.Position != "1.1" || a.Staleness > 3 || a.LastHeard == nil {
			t.Errorf("%+v", a)
		}
		fleet[1].down(true)
		time.Sleep(11 * time.Second)
		if fmt.Sprint(names()) != "[c/1 ready a/1 ready b/1 silent]" {
			t.Errorf("%v", names())
		}
		if why := fleet[1].Nodes()[0]; why.State != "fenced" || why.Why == "" || why.Staleness < 10 {
			t.Errorf("%+v", why)
		}
		time.Sleep(15 * time.Minute)
		if slices.Contains(names(), "b/1 silent") {
			t.Error("it is remembered for ever")
		}
	})
}

// Ending many live requests does not hold up what comes next.
func TestLongCutsHoldNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := new(live.Registry)
		s := newSharedLog()
		b := s.start(t, "b", node.Settings{}, func(b *testNode) { b.live = requests })
		time.Sleep(5 * time.Second)
		judged := slowly{whileReady{b.Node, "alice"}}
		ended := openJudged(t, requests, "alice", judged)
		bob := open(t, b.Node, requests, "bob")
		first := make(chan node.Written, 1)
		go func() { first <- b.submit(t, "alice") }()
		time.Sleep(10 * time.Millisecond)
		began := time.Now()
		go b.submit(t, "bob")
		<-bob
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("bob's live request went on for %s", took)
		}
		if !isCut(b.Node, "alice") || !isCut(b.Node, "bob") {
			t.Error("the index waits")
		}
		b.mustBe(t, node.Ready)
		<-ended
		if got := b.enforcement(t, <-first); got.LiveRequestsCut != 1 {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Second) // until nothing is chased any more
	})
}

// slowly takes ten seconds over a cut.
type slowly struct{ whileReady }

func (s slowly) Judge(c live.Cause) *live.Refusal {
	refusal := s.whileReady.Judge(c)
	if refusal != nil {
		time.Sleep(10 * time.Second)
	}
	return refusal
}
