package node_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/internal/seedtest"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// brief is a cut that expires some seconds after its instant.
func brief(sub string, at time.Time, keep int64) revocation.Record {
	return revocation.Record{
		Type: revocation.Cut, Target: revocation.Target{Issuer: issuer, Subject: sub}, Mode: revocation.Refresh,
		At: at.UnixMilli(), Through: at.Unix(), Time: at.UnixMilli(), Keep: keep, Source: "admin",
	}
}

func (b *testNode) write(t *testing.T, records ...revocation.Record) revocation.Position {
	t.Helper()
	w, err := b.Submit(context.Background(), records, ledger.Idempotency{})
	if err != nil {
		t.Fatalf("%s: %v", b.ID(), err)
	}
	return w.Position
}

// trimmed is a node that joins behind a trim that has forgotten an entry.
func trimmed(forgot revocation.Position) func(*testNode) {
	return func(b *testNode) {
		b.opened = func(e *end) error {
			e.shared.mu.Lock()
			defer e.shared.mu.Unlock()
			e.entered = uint64(len(e.shared.log))
			e.lacks = func(entry revocation.Entry) bool { return entry.Position == forgot }
			return nil
		}
	}
}

// A node that joined behind a trim which forgot a horizon is never ready. Nodes
// that have read more go on. A new epoch that has the horizon mends it.
func TestANodeThatLacksAHorizonIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{})
		time.Sleep(soon)
		expired := brief("alice", time.Now().Add(-time.Hour), 60)
		forgot := a.write(t, expired)
		time.Sleep(time.Second)
		b := s.start(t, "b", node.Settings{}, trimmed(forgot))
		for range 2000 {
			time.Sleep(10 * time.Millisecond)
			if b.State() == node.Ready {
				t.Fatal("it serves")
			}
			a.mustBe(t, node.Ready)
		}
		b.mustBe(t, node.Damaged)
		if why := b.Why(); why == nil || !strings.Contains(why.Error(), "a/1") || !strings.Contains(why.Error(), "adopt") {
			t.Errorf("it says %v", why)
		}
		if nodes := states(a.enforcement(t, a.submit(t, "carol"))); len(nodes) != 1 {
			t.Errorf("a receipt waits for a node that admits nothing: %q", nodes)
		}
		fine := s.start(t, "fine", node.Settings{}, trimmed(revocation.Position{}))
		time.Sleep(3 * time.Second)
		fine.mustBe(t, node.Ready)

		s.mu.Lock()
		s.at = revocation.Position{Epoch: 2}
		horizon := expired
		horizon.Keep, horizon.Target.Subject = 0, ""
		s.write(logged{entry: revocation.Entry{Records: []revocation.Record{{Type: revocation.Genesis, Source: "genesis"}}}})
		s.write(logged{entry: revocation.Entry{Records: []revocation.Record{horizon}}})
		s.mu.Unlock()
		b.end().set(func(e *end) { e.entered = 0 })
		fine.end().set(func(e *end) { e.entered = 0 })
		time.Sleep(5 * time.Second)
		for _, n := range []*testNode{a, b, fine} {
			n.mustBe(t, node.Ready)
		}
	})
}

// The node that lacks a horizon is told also where it is the one that ticks.
func TestWhoTicksIsToldThatItLacksAHorizon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{}, func(b *testNode) { b.opened = func(e *end) error { e.old = true; return nil } })
		time.Sleep(soon)
		forgot := a.write(t, brief("alice", time.Now().Add(-time.Hour), 60))
		b := s.start(t, "b", node.Settings{}, trimmed(forgot))
		time.Sleep(3 * time.Second)
		b.mustBe(t, node.Ready) // a says nothing of horizons
		a.end().set(func(e *end) { e.readOnly = true })
		for !b.lastTicked() {
			time.Sleep(time.Second)
		}
		a.end().set(func(e *end) { e.old, e.readOnly = false, false })
		time.Sleep(3 * time.Second)
		b.mustBe(t, node.Damaged)
		a.mustBe(t, node.Ready)
		a.end().set(func(e *end) { e.readOnly = true })
		time.Sleep(10 * time.Second) // the other ticks meanwhile
		a.end().set(func(e *end) { e.readOnly = false })
		before := s.ticksOf("a/1")
		time.Sleep(time.Minute)
		if n := s.ticksOf("a/1") - before; n < 50 {
			t.Errorf("who serves ticked %d times: the other has nothing to say", n)
		}
		b.mustBe(t, node.Damaged)
		a.mustBe(t, node.Ready)
	})
}

func (s *sharedLog) ticksOf(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ticks[id]
}

// Nothing tells which of two nodes is right that have read the same log.
func TestNodesThatMadeSomethingElseOfTheSameLogAreNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{})
		time.Sleep(soon)
		at := a.write(t, brief("alice", time.Now().Add(-time.Hour), 60))
		b := s.start(t, "b", node.Settings{}, func(b *testNode) {
			b.opened = func(e *end) error {
				e.lacks = func(entry revocation.Entry) bool { return entry.Position == at }
				return nil
			}
		})
		time.Sleep(5 * time.Second)
		if a.State() == node.Ready && b.State() == node.Ready {
			t.Error("both serve")
		}
	})
}

// Nodes let cuts expire when it suits them, by clocks that differ, and restart.
// Nobody takes that for a difference, nor a peer of a build that says nothing.
func TestExpiryAtDifferentMomentsIsNoAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := seedtest.New(t)
		s := newSharedLog()
		var fleet []*testNode
		for i, name := range []string{"a", "b", "c", "old"} {
			off := time.Duration(i) * 150 * time.Millisecond
			fleet = append(fleet, s.start(t, name, node.Settings{}, func(b *testNode) {
				b.now = func() time.Time { return time.Now().Add(off) }
				b.opened = func(e *end) error { e.old = name == "old"; return nil }
			}))
		}
		time.Sleep(2 * time.Second)
		for range 300 {
			b := fleet[random.IntN(len(fleet))]
			b.write(t, brief("alice", time.Now().Add(-time.Duration(random.IntN(10))*time.Second), 1+random.Int64N(10)))
			b.Index().Expire(time.Now().Add(-time.Duration(random.IntN(20)) * time.Second).Unix())
			time.Sleep(time.Duration(random.Int64N(int64(2 * time.Second))))
			for _, b := range fleet {
				b.mustBe(t, node.Ready)
			}
			if random.IntN(30) == 0 {
				b := fleet[random.IntN(len(fleet))]
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				b.start(t)
				time.Sleep(2 * time.Second)
			}
		}
	})
}
