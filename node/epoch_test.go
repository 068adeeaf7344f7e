package node_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// An epoch that begins by signing out everybody ends what is open, like any
// other cut.
func TestAGenesisEndsWhatIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, requests := newSharedLog(), new(live.Registry)
		a := s.start(t, "a", node.Settings{}, func(b *testNode) { b.live = requests })
		time.Sleep(soon)
		a.mustBe(t, node.Ready)
		ended := open(t, a.Node, requests, "alice")
		s.mu.Lock()
		s.at = revocation.Position{Epoch: 2}
		s.write(logged{entry: revocation.Entry{Records: []revocation.Record{{Type: revocation.Genesis, Through: time.Now().Unix(), Source: "genesis"}}}})
		s.mu.Unlock()
		time.Sleep(soon)
		a.mustBe(t, node.Ready)
		select {
		case <-ended:
		default:
			t.Error("everybody is signed out, and a request goes on")
		}
	})
}

// A node that has gone on in a new epoch may lack what was acknowledged in an
// older one: it says that it enforces it if it has it, and nobody concludes it.
func TestALaterEpochProvesNothingOfAnEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a, b := s.start(t, "a", node.Settings{}), s.start(t, "b", node.Settings{})
		time.Sleep(5 * time.Second)
		had := a.submit(t, "alice")
		s.mu.Lock()
		s.at = revocation.Position{Epoch: 2}
		s.write(logged{entry: revocation.Entry{Records: []revocation.Record{{Type: revocation.Genesis, Source: "genesis"}}}})
		s.mu.Unlock()
		time.Sleep(5 * time.Second)
		lost := revocation.Position{Epoch: 1, Sequence: had.Position.Sequence + 1}
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		for pos, want := range map[revocation.Position]bool{had.Position: true, lost: false} {
			answers := a.end().Ask(ctx, revocation.Ref{Position: pos}, 1)
			if len(answers) != 1 || answers[0].Since.IsZero() == want {
				t.Errorf("%s says of %s: %+v", b.ID(), pos, answers)
			}
			e := a.enforcement(t, node.Written{Position: pos})
			if got := e.State == "enforced"; got != want {
				t.Errorf("%s: %+v", pos, e)
			}
		}
	})
}

// The clock is measured by what a node appends. One whose clock was wrong may
// append nothing else, so it ticks until it is right.
func TestAClockThatWasWrongIsMeasuredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a, b := s.start(t, "a", node.Settings{}), s.start(t, "b", node.Settings{})
		time.Sleep(5 * time.Second)
		wrong := a
		if a.lastTicked() {
			wrong = b
		}
		ticks := func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.ticks[wrong.ID()]
		}
		before := ticks()
		wrong.end().set(func(e *end) { e.offset = 3 * time.Second })
		time.Sleep(5 * time.Second)
		if n := ticks() - before; n < 2 || n > 6 {
			t.Errorf("it has ticked %d times", n)
		}
	})
}
