package nats_test

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
)

// within reports whether the caller was called by a method of a ledger.
func within(method string) bool {
	var stack [32]uintptr
	frames := runtime.CallersFrames(stack[:runtime.Callers(2, stack[:])])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "nats.(*Ledger)."+method) {
			return true
		}
		if !more {
			return false
		}
	}
}

// once calls do at a ledger's first use of its clock within a method.
func once(o *nats.Options, method string, do func()) {
	var first sync.Once
	o.Now = func() time.Time {
		if within(method) {
			first.Do(do)
		}
		return time.Now()
	}
}

// Two operators adopt at once. All nodes must follow the same epoch.
func TestTwoAdoptAtOnce(t *testing.T) {
	c := natstest.Run(t, 3)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	a.write("one")
	b.reaches(a.Head().Position)
	b.leave()
	// b has read the newest epoch and has not begun its own yet.
	once(&b.options, "genesis", func() {
		a.leave()
		mark(t, a, nats.MarkerAdopt)
		a = join(t, a.options)
		a.reaches(revocation.Position{Epoch: 2, Sequence: 1})
		a.write("two")
	})
	mark(t, b, nats.MarkerAdopt)
	b = join(t, b.options)
	b.reaches(revocation.Position{Epoch: 2, Sequence: 1})
	until(t, "b ticks", func() bool { return b.tick() == nil })
	until(t, "a ticks", func() bool { return a.tick() == nil })
	last := a.write("three")
	b.reaches(last)
	until(t, "both have everything", func() bool {
		for _, e := range []*edge{a, b} {
			if err := e.Err(); err != nil {
				t.Fatal(e.options.Node, err)
			}
			for _, want := range []string{"one", "two", "three"} {
				if !slices.Contains(e.reasons(), want) {
					return false
				}
			}
		}
		return a.Head() == b.Head()
	})
}

// A node that adopts a sound log gets every entry that others wrote meanwhile.
func TestAdoptingASoundLogSkipsNothing(t *testing.T) {
	c := natstest.Run(t, 1)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	a.write("one")
	b.reaches(a.Head().Position)
	b.leave()
	a.write("meanwhile")
	a.leave() // no other node can write its records again
	mark(t, b, nats.MarkerAdopt)
	b = join(t, b.options)
	b.reaches(revocation.Position{Epoch: 2, Sequence: 1})
	until(t, "it knows its own epoch", func() bool { return b.tick() == nil })
	until(t, "it does not go on without what was acknowledged", func() bool { return slices.Contains(b.reasons(), "meanwhile") })
}

// A node is killed before it has written the records that a new epoch lacks. It
// writes them after its restart.
func TestContributionsOutliveACrash(t *testing.T) {
	c := natstest.Run(t, 1)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	b.reaches(a.write("both"))
	a.leave()
	b.write("one")
	b.leave()
	if err := raw(t, c).DeleteStream(t.Context(), "CURFEW"); err != nil {
		t.Fatal(err)
	}
	mark(t, a, nats.MarkerAdopt)
	a = join(t, a.options)
	a.reaches(revocation.Position{Epoch: 2, Sequence: 2})
	killed := make(chan struct{})
	once(&b.options, "restate", func() { <-killed })
	b = join(t, b.options)
	until(t, "b goes on", func() bool { _ = a.tick(); return b.Head().Position.Epoch == 2 })
	go func(dies <-chan error) { <-dies; close(killed) }(b.ended)
	b.leave() // before it has written any record
	fresh := join(t, fleetOptions(t, c, "fresh"))
	fresh.reaches(a.Head().Position)
	if slices.Contains(fresh.reasons(), "one") {
		t.Fatal("it has written it already")
	}
	b = join(t, b.options)
	until(t, "a newcomer has it", func() bool { return slices.Contains(fresh.reasons(), "one") })
	until(t, "it notes that it has", func() bool { return b.Restates() == 0 })
	b.leave()
	settled := fresh.Head()
	b = join(t, b.options)
	following(t, b.Ledger)
	time.Sleep(3 * time.Second) // it would have written it again by now
	if fresh.Head() != settled {
		t.Errorf("it writes it with every start: %s, %s", settled.Position, fresh.Head().Position)
	}
}

// A node was away while an epoch began and its genesis was trimmed. It recovers by
// itself.
func TestAwayWhileAnotherEpochWasTrimmed(t *testing.T) {
	c := natstest.Run(t, 1)
	a, away := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "away"))
	away.reaches(a.write("one"))
	away.leave()
	a.leave()
	mark(t, a, nats.MarkerAdopt)
	a = join(t, a.options)
	a.reaches(revocation.Position{Epoch: 2, Sequence: 2})
	for range 3 {
		if err := a.tick(); err != nil {
			t.Fatal(err)
		}
	}
	a.write("two")
	if through, err := a.Trim(0, 1); through == 0 || err != nil {
		t.Fatalf("trimmed through %d, %v", through, err)
	}
	away = join(t, away.options)
	away.breaks("trimmed")
	away.leave()
	away = join(t, away.options)
	away.reaches(a.Head().Position)
	if err := a.tick(); err != nil {
		t.Fatal(err)
	}
	if away.Head() != a.Head() || away.Err() != nil {
		t.Errorf("%v, %v, %v", away.Head(), a.Head(), away.Err())
	}
}

// Two nodes trim at once. The last trim in the stream must say where the stream
// begins, because no node could join otherwise.
func TestTwoTrimAtOnce(t *testing.T) {
	c := natstest.Run(t, 1)
	o := fleetOptions(t, c, "a")
	var more func()
	once(&o, "forward", func() { more() })
	a, b := join(t, o), join(t, fleetOptions(t, c, "b"))
	b.reaches(a.write("one"))
	for range 3 {
		if err := a.tick(); err != nil {
			t.Fatal(err)
		}
	}
	a.write("two")
	more = func() {
		for range 80 { // enough messages for a later trim
			if err := b.tick(); err != nil {
				t.Error(err)
			}
		}
		b.write("three")
		if through, err := b.Trim(0, 1); through == 0 || err != nil {
			t.Errorf("trimmed through %d, %v", through, err)
		}
	}
	_, _ = a.Trim(0, 1) // it may fail, and be tried again
	if err := a.tick(); err != nil {
		t.Fatal(err)
	}
	fresh := join(t, fleetOptions(t, c, "fresh"))
	until(t, "a newcomer joins", func() bool {
		if err := fresh.Err(); err != nil {
			t.Fatal(err)
		}
		return fresh.Head() == a.Head()
	})
}

// A missing message in the middle of the stream is damage, even if the node has all
// messages before it.
func TestAGapInTheStream(t *testing.T) {
	c := natstest.Run(t, 1)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	b.reaches(a.write("one"))
	a.leave()
	for _, reason := range []string{"two", "three", "four"} {
		b.write(reason)
	}
	b.leave()
	js := raw(t, c)
	config := loseMessage(t, js, 4)
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	a = join(t, a.options)
	a.breaks("what is between is gone")
}

// A genesis that no node can read is damage. A new epoch mends it.
func TestAdoptingAfterAnUnreadableGenesis(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	a.write("one")
	if _, err := raw(t, c).Publish(t.Context(), "CURFEW.log.genesis", []byte("\x01garbage")); err != nil {
		t.Fatal(err)
	}
	a.breaks("malformed")
	a.leave()
	mark(t, a, nats.MarkerAdopt)
	a = join(t, a.options)
	a.reaches(revocation.Position{Epoch: 2, Sequence: 2})
	fresh := join(t, fleetOptions(t, c, "fresh"))
	until(t, "a newcomer has everything", func() bool { return slices.Contains(fresh.reasons(), "one") })
}

// loseMessage creates the stream again without one of its messages, and returns the
// stream's settings.
func loseMessage(t *testing.T, js jetstream.JetStream, gone uint64) jetstream.StreamConfig {
	t.Helper()
	s, err := js.Stream(t.Context(), "CURFEW")
	if err != nil {
		t.Fatal(err)
	}
	config, last := s.CachedInfo().Config, s.CachedInfo().State.LastSeq
	var kept []*jetstream.RawStreamMsg
	for n := uint64(1); n <= last; n++ {
		m, err := s.GetMsg(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, m)
	}
	if err := js.DeleteStream(t.Context(), "CURFEW"); err != nil {
		t.Fatal(err)
	}
	open := config
	open.DenyDelete = false
	if s, err = js.CreateStream(t.Context(), open); err != nil {
		t.Fatal(err)
	}
	for _, m := range kept {
		if _, err := js.Publish(t.Context(), m.Subject, m.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteMsg(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	return config
}

// A node whose replica was damaged writes again once its log has reached the old
// replica's head.
func TestWhoOwedNothingAnyMoreWrites(t *testing.T) {
	c := natstest.Run(t, 1)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	for _, reason := range []string{"one", "two"} {
		b.reaches(a.write(reason))
	}
	a.leave()
	b.leave()
	damage(t, a.options.Dir)
	loseTail(t, c, raw(t, c), 2)
	b = join(t, fleetOptions(t, c, "other"))
	following(t, b.Ledger)
	a = join(t, a.options)
	following(t, a.Ledger)
	until(t, "it misses something", func() bool {
		if err := b.tick(); err != nil {
			t.Fatal(err)
		}
		return a.Connection().Problem != nil
	})
	a.reaches(b.write("three"))
	if _, _, err := a.Append(t.Context(), []revocation.Record{cut("alice", "four")}, ledger.Idempotency{}); err != nil {
		t.Error(err)
	}
}

// A node that follows a sound stream adopts it without a restart.
func TestASoundStreamIsAdoptedWhileItIsFollowed(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	a.write("one")
	mark(t, a, nats.MarkerAdopt)
	until(t, "the new epoch has begun", func() bool {
		_ = a.tick()
		return a.Head().Position.Epoch == 2
	})
	a.write("two")
	until(t, "it has everything", func() bool {
		got := a.reasons()
		return slices.Contains(got, "one") && slices.Contains(got, "two")
	})
}
