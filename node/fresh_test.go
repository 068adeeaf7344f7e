package node_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// A node is ready when a tick has echoed a nonce of this start, and within
// milliseconds: it ticks itself.
func TestReadyByAnEchoOfThisStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		began := time.Now()
		b := s.start(t, "a", node.Settings{})
		b.mustBe(t, node.Starting)
		for b.State() != node.Ready {
			time.Sleep(time.Millisecond)
			if time.Since(began) > 100*time.Millisecond {
				t.Fatalf("%s: %v", b.State(), b.Why())
			}
		}
		synctest.Wait()
		if n := b.Staleness(); n > 100*time.Millisecond {
			t.Errorf("staleness %s", n)
		}
	})
}

// Ticks without its own nonce, or with one of an earlier start, prove nothing.
func TestOldNoncesProveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		b := s.start(t, "a", node.Settings{}, func(b *testNode) { b.opened = func(e *end) error { e.readOnly = true; return nil } })
		for _, echo := range []ledger.Echo{
			{Node: "a/0", Nonce: 1, MaxStaleness: time.Minute},  // the start before
			{Node: "b/1", Nonce: 1, MaxStaleness: time.Minute},  // another node
			{Node: "a/1", Nonce: 99, MaxStaleness: time.Minute}, // never sent
			{Node: "a/1", Nonce: 0, MaxStaleness: time.Minute},
		} {
			s.mu.Lock()
			s.write(logged{tick: &ledger.Tick{By: "b/1", Echoes: []ledger.Echo{echo}}})
			s.mu.Unlock()
			time.Sleep(soon)
			b.mustBe(t, node.Starting)
		}
		if b.Why() == nil {
			t.Error("nobody says why")
		}
		s.mu.Lock()
		s.write(logged{tick: &ledger.Tick{By: "b/1", Echoes: []ledger.Echo{{Node: "a/1", Nonce: 2, MaxStaleness: time.Minute}}}})
		s.mu.Unlock()
		time.Sleep(soon)
		b.mustBe(t, node.Ready)
		proven := b.Staleness()
		s.mu.Lock()
		s.write(logged{tick: &ledger.Tick{By: "b/1", Echoes: []ledger.Echo{{Node: "a/1", Nonce: 1, MaxStaleness: time.Minute}}}})
		s.mu.Unlock()
		time.Sleep(soon)
		if b.Staleness() != proven+soon {
			t.Error("an older nonce counts")
		}
	})
}

// A node fences itself when its newest proof is older than max_staleness, to
// the nanosecond, and serves again when it has a newer one.
func TestFenceAtTheBoundAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bound = 10 * time.Second
		s := newSharedLog()
		a, b := s.start(t, "a", node.Settings{MaxStaleness: bound}), s.start(t, "b", node.Settings{})
		time.Sleep(5 * time.Second)
		a.mustBe(t, node.Ready)
		a.down(true)
		time.Sleep(s.delay * 2)
		deadline := time.Now().Add(bound - a.Staleness())
		if at := a.StateAt(deadline); at != node.Ready {
			t.Errorf("%s at the bound", at)
		}
		if at := a.StateAt(deadline.Add(1)); at != node.Fenced {
			t.Errorf("%s after the bound", at)
		}
		time.Sleep(time.Until(deadline))
		synctest.Wait()
		a.mustBe(t, node.Ready)
		changes := a.Changes()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		a.mustBe(t, node.Fenced)
		select {
		case <-changes:
		default:
			t.Error("the timer did not fence it")
		}
		if why := a.Why(); !errors.Is(why, ledger.ErrUnavailable) {
			t.Errorf("why: %v", why)
		}
		b.mustBe(t, node.Ready)
		b.submit(t, "alice")
		time.Sleep(time.Minute)
		a.mustBe(t, node.Fenced)
		if isCut(a.Node, "alice") {
			t.Error("how could it know?")
		}
		a.down(false)
		time.Sleep(soon)
		a.mustBe(t, node.Ready)
		if !isCut(a.Node, "alice") {
			t.Error("it is ready and does not know")
		}
	})
}

// A machine that was suspended has a wall clock that leaps and a monotonic one
// that does not; who sets the time, the same. The longer of both counts.
func TestStalenessByBothClocks(t *testing.T) {
	began := time.Now()
	leap := func(by, wall time.Duration) time.Time {
		later := began.Add(by)
		// The wall seconds of a time with a monotonic reading stand from bit 30 on.
		*(*uint64)(unsafe.Pointer(&later)) += uint64(wall/time.Second) << 30
		return later
	}
	if leap(0, time.Hour).Sub(began) != 0 || leap(0, time.Hour).Round(0).Sub(began.Round(0)) != time.Hour {
		t.Fatal("the test's clock does not leap")
	}
	const bound = node.DefaultMaxStaleness
	for name, c := range map[string]struct {
		now  time.Time
		want node.State
	}{
		"fresh":          {leap(bound, 0), node.Ready},
		"stale":          {leap(bound+1, 0), node.Fenced},
		"suspended":      {leap(0, bound+time.Second), node.Fenced},
		"set back":       {leap(bound+1, -time.Hour), node.Fenced},
		"set back early": {leap(bound, -time.Hour), node.Ready},
	} {
		n := node.New(node.Config{})
		n.Prove(began)
		if got := n.StateAt(c.now); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A machine that slept has fenced itself at the first look, before any timer.
func TestSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slept atomic.Int64
		a := newSharedLog().start(t, "a", node.Settings{}, func(b *testNode) {
			b.now = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
		})
		time.Sleep(2 * time.Second)
		a.mustBe(t, node.Ready)
		slept.Store(int64(time.Hour))
		a.mustBe(t, node.Fenced)
		time.Sleep(3 * time.Second)
		a.mustBe(t, node.Ready)
	})
}

// on_stale allow goes on, and says that it does.
func TestUnboundedServesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{Unbounded: true})
		a.mustBe(t, node.Starting)
		time.Sleep(5 * time.Second)
		if a.StaleAt(time.Now()) {
			t.Error("it is fresh")
		}
		a.down(true)
		time.Sleep(time.Hour)
		a.mustBe(t, node.Ready)
		if !a.StaleAt(time.Now()) {
			t.Error("it does not say that it is stale")
		}
		if a.Why() == nil {
			t.Error("nobody says why")
		}
		a.Configure(node.Settings{})
		synctest.Wait()
		a.mustBe(t, node.Fenced)
		if a.StaleAt(time.Now()) {
			t.Error("it admits nothing any more")
		}
		// The others know that it will be fenced, so it can't take that back
		// before they have heard of it.
		a.Configure(node.Settings{Unbounded: true})
		time.Sleep(time.Minute)
		a.mustBe(t, node.Fenced)
		a.down(false)
		time.Sleep(soon)
		a.mustBe(t, node.Ready)
		a.down(true)
		time.Sleep(time.Hour)
		a.mustBe(t, node.Ready)
	})
}

// A shorter max_staleness holds at once; a longer one with the next proof.
func TestReconfiguredBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{MaxStaleness: time.Minute})
		time.Sleep(5 * time.Second)
		a.down(true)
		time.Sleep(20 * time.Second)
		a.mustBe(t, node.Ready)
		a.Configure(node.Settings{MaxStaleness: 10 * time.Second})
		synctest.Wait()
		a.mustBe(t, node.Fenced)
		a.Configure(node.Settings{MaxStaleness: time.Hour})
		time.Sleep(5 * time.Second)
		a.mustBe(t, node.Fenced)
		a.down(false)
		time.Sleep(2 * time.Second)
		a.down(true)
		time.Sleep(59 * time.Minute)
		a.mustBe(t, node.Ready)
	})
}

// A node that may only follow never ticks. It is ready by the ticks of others.
func TestOnlyFollowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		only := func(b *testNode) { b.opened = func(e *end) error { e.readOnly = true; return nil } }
		a, b := s.start(t, "a", node.Settings{}, only), s.start(t, "b", node.Settings{}, only)
		time.Sleep(time.Minute)
		a.mustBe(t, node.Starting)
		if s.allTicks() != 0 {
			t.Error("it ticked")
		}
		c := s.start(t, "c", node.Settings{})
		time.Sleep(2 * time.Second)
		for _, x := range []*testNode{a, b, c} {
			x.mustBe(t, node.Ready)
		}
		if _, err := a.Submit(t.Context(), []revocation.Record{cutOf("x")}, ledger.Idempotency{}); !errors.Is(err, ledger.ErrReadOnly) {
			t.Errorf("got %v", err)
		}
		// A caller must not wait for the end of its fence, either.
		a.end().set(func(e *end) { e.stuck = true })
		time.Sleep(time.Minute)
		a.mustBe(t, node.Fenced)
		if _, err := a.Submit(t.Context(), []revocation.Record{cutOf("x")}, ledger.Idempotency{}); !errors.Is(err, ledger.ErrReadOnly) {
			t.Errorf("fenced: got %v", err)
		}
	})
}

// One node ticks and the others keep quiet; when it falls silent, another goes
// on before anybody is fenced.
func TestOneTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		fleet := make([]*testNode, 10)
		for i := range fleet {
			fleet[i] = s.start(t, string(rune('a'+i)), node.Settings{MaxStaleness: 8 * time.Second})
		}
		time.Sleep(10 * time.Second)
		before := s.allTicks()
		time.Sleep(100 * time.Second)
		if n := s.allTicks() - before; n < 90 || n > 110 {
			t.Errorf("%d ticks in 100 s", n)
		}
		for range 5 {
			ticker := fleet[0]
			for _, b := range fleet {
				if b.lastTicked() {
					ticker = b
				}
			}
			ticker.down(true)
			time.Sleep(6 * time.Second)
			for _, b := range fleet {
				if b != ticker {
					b.mustBe(t, node.Ready)
				}
			}
			ticker.down(false)
			time.Sleep(3 * time.Second)
		}
	})
}

func (b *testNode) lastTicked() bool {
	b.shared.mu.Lock()
	defer b.shared.mu.Unlock()
	for i := len(b.shared.log) - 1; i >= 0; i-- {
		if tick := b.shared.log[i].tick; tick != nil {
			return tick.By == b.end().id
		}
	}
	return false
}

// Fifty nodes that start at once, or one after another within a second, are
// ready soon without fifty ticks.
func TestHerd(t *testing.T) {
	for name, apart := range map[string]time.Duration{"at once": 0, "within a second": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSharedLog()
				s.delay = 3 * time.Millisecond
				began := time.Now()
				var fleet []*testNode
				for i := range 50 {
					fleet = append(fleet, s.start(t, string(rune('A'+i)), node.Settings{}))
					time.Sleep(apart)
				}
				for slow := len(fleet); slow > 0; time.Sleep(time.Millisecond) {
					slow = 0
					for _, b := range fleet {
						if b.State() != node.Ready {
							slow++
						}
					}
				}
				took := time.Since(began) - 50*apart
				t.Logf("ready after %s with %d ticks", took, s.allTicks())
				if s.allTicks() > 15 || took > 300*time.Millisecond {
					t.Errorf("%d ticks, %s", s.allTicks(), took)
				}
				before := s.allTicks()
				time.Sleep(10 * time.Second)
				if n := s.allTicks() - before; n > 15 {
					t.Errorf("%d ticks in 10 s", n)
				}
			})
		})
	}
}

// A small max_staleness has small intervals, and a tick that fails is not
// tried again in a hurry.
func TestIntervalsAndFailedTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{MaxStaleness: 2 * time.Second})
		time.Sleep(10 * time.Second)
		if n := s.allTicks(); n < 35 || n > 45 {
			t.Errorf("%d ticks in 10 s", n)
		}
		s.mu.Lock()
		said := len(a.end().said)
		s.mu.Unlock()
		if said < 38 || said > 45 {
			t.Errorf("%d heartbeats in 10 s", said)
		}
		a.mustBe(t, node.Ready)
	})
}

// A node that reaches the cluster by a way on which nothing comes takes another
// one before it has to fence itself, and another where that does not help. One
// that reaches nobody leaves that to its connection.
func TestTheWayThatIsSilentIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := afloat(t, newSharedLog(), node.Settings{}, node.Settings{})
		a, b := fleet[0], fleet[1]
		time.Sleep(time.Hour)
		if n := b.end().moves(); n > 0 {
			t.Fatalf("it moved %d times though ticks came", n)
		}
		b.end().set(func(e *end) { e.stuck, e.detour = true, true })
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			b.mustBe(t, node.Ready)
		}
		if n := b.end().moves(); n != 1 {
			t.Errorf("it moved %d times, want once", n)
		}
		b.end().set(func(e *end) { e.stuck, e.detour, e.moved = true, false, 0 })
		time.Sleep(time.Minute)
		b.mustBe(t, node.Fenced)
		if n := b.end().moves(); n < 5 || n > 6 {
			t.Errorf("it moved %d times in a minute, want every 10 s", n)
		}
		b.end().set(func(e *end) { e.stuck, e.moved = false, 0 })
		time.Sleep(5 * time.Second)
		b.mustBe(t, node.Ready)
		b.down(true)
		time.Sleep(time.Minute)
		b.down(false)
		b.end().set(func(e *end) { e.stuck, e.detour = true, true })
		time.Sleep(15 * time.Second)
		if n := b.end().moves(); n != 1 {
			t.Errorf("it moved %d times, want once", n)
		}
		a.mustBe(t, node.Ready)
	})
}
