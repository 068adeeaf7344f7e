package node_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// A node of a build before formats stops serving as soon as it reads something
// newer. So nobody writes that before every node is upgraded, or stopped, and the
// refusal names those that are too old. Nothing is written, and records that all
// can read go on as before.
func TestNoNodeWritesWhatAnotherCannotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{MaxStaleness: 10 * time.Second})
		b := s.start(t, "b", node.Settings{MaxStaleness: 10 * time.Second})
		c := s.start(t, "c", node.Settings{MaxStaleness: 10 * time.Second})
		b.end().set(func(e *end) { e.format = -1 })
		c.end().set(func(e *end) { e.format = 2 })
		time.Sleep(5 * time.Second)
		before := a.submit(t, "everyone reads this")

		a.NeedFormat(2)
		refused := func(names ...string) {
			t.Helper()
			_, err := a.Submit(t.Context(), []revocation.Record{cutOf("new")}, ledger.Idempotency{Key: [32]byte{1}})
			if !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, node.ErrFormat) || !strings.Contains(err.Error(), "upgrade these nodes") {
				t.Fatalf("writing what b can't read: %v", err)
			}
			for _, name := range []string{"a/1", "b/1", "b/2", "c/1"} {
				if named := strings.Contains(err.Error(), name+" (format 1)"); named != slices.Contains(names, name) {
					t.Errorf("%s: named %t: %v", name, named, err)
				}
			}
			if at := a.Applied(); at != before.Position {
				t.Errorf("the ledger went on to %s", at)
			}
		}
		refused("b/1")
		a.NeedFormat(1)
		before = a.submit(t, "everyone reads this too")
		a.NeedFormat(2)

		// One that is not heard any more may serve until its bound.
		b.down(true)
		time.Sleep(5 * time.Second)
		refused("b/1")
		// Nor does its way back make it newer.
		b.down(false)
		time.Sleep(5 * time.Second)
		refused("b/1")

		// The upgrade: it is stopped, and comes back as a newer build.
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		a.submit(t, "c reads this")
		b.start(t)
		b.end().set(func(e *end) { e.format = 2 })
		time.Sleep(5 * time.Second)
		last := a.submit(t, "all read this")
		for _, other := range []*testNode{b, c} {
			other.mustBe(t, node.Ready)
			if at := other.Applied(); at != last.Position {
				t.Errorf("%s is at %s, want %s", other.ID(), at, last.Position)
			}
		}
	})
}

// A node that just started has not heard of all others yet. Any of them may be
// old, so what the oldest could not read has to wait. One that was heard of, and
// not heard itself, counts as the oldest.
func TestANodeThatJustStartedWritesOnlyWhatAllBuildsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{MaxStaleness: 10 * time.Second})
		a.NeedFormat(2)
		for a.State() != node.Ready {
			time.Sleep(time.Millisecond)
		}
		write := func() error {
			_, err := a.Submit(t.Context(), []revocation.Record{cutOf("new")}, ledger.Idempotency{})
			return err
		}
		if err := write(); !errors.Is(err, ledger.ErrUnavailable) || !strings.Contains(err.Error(), "just started") {
			t.Errorf("writing at once: %v", err)
		}
		s.mu.Lock()
		s.write(logged{tick: &ledger.Tick{By: "b/1", Echoes: []ledger.Echo{{Node: "b/1", Nonce: 7, MaxStaleness: 8 * time.Second}}}})
		s.mu.Unlock()
		time.Sleep(5 * time.Second)
		if err := write(); !errors.Is(err, node.ErrFormat) || !strings.Contains(err.Error(), "b/1 (format 1)") {
			t.Errorf("writing what one that is not heard may not read: %v", err)
		}
		time.Sleep(5 * time.Second)
		if err := write(); err != nil {
			t.Errorf("writing when it can't be serving any more: %v", err)
		}
	})
}

// A gateway says which format it reads, and of one that tells none that it is
// the first.
func TestNodesShowTheFormatThatTheyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a, b := s.start(t, "a", node.Settings{}), s.start(t, "b", node.Settings{})
		c := s.start(t, "c", node.Settings{})
		b.end().set(func(e *end) { e.format = -1 })
		c.end().set(func(e *end) { e.format = 7 })
		time.Sleep(5 * time.Second)
		var formats []int
		for _, line := range a.Nodes() {
			formats = append(formats, line.Format)
		}
		if want := []int{revocation.Format, 1, 7}; !slices.Equal(formats, want) {
			t.Errorf("formats %d, want %d", formats, want)
		}
		if said := a.end().said; said[len(said)-1].Format != revocation.Format {
			t.Errorf("a says %+v", said[len(said)-1])
		}
		b.mustBe(t, node.Ready)
	})
}
