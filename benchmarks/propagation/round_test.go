package main

import (
	"slices"
	"testing"
	"time"

	"curfew.dev/curfew/internal/seedtest"
	"curfew.dev/curfew/revocation"
)

func TestArrivals(t *testing.T) {
	random := seedtest.New(t)
	due := arrivals(random, 1000, 10*time.Second)
	if n := len(due); n < 9500 || n > 10_500 { // five standard deviations
		t.Errorf("%d arrivals in 10 s at 1,000/s", n)
	}
	if !slices.IsSorted(due) || due[len(due)-1] >= 10*time.Second {
		t.Errorf("they are not in order, or go on after the round: the last at %s", due[len(due)-1])
	}
	for range 100_000 { // about ten gaps of these are longer than a Duration can be
		if due := arrivals(random, 1e-9, time.Second); len(due) != 1 || due[0] < 0 {
			t.Fatalf("arrivals at %v, want one at least", due)
		}
	}
}

func TestStopwatchKeepsTheFirst(t *testing.T) {
	w := newStopwatch(time.Now().Add(-time.Second), 4)
	at := revocation.Position{Epoch: 1, Sequence: 2}
	if _, ok := w.reached(at); ok {
		t.Error("it has noted what never came")
	}
	w.note(at)
	first, ok := w.reached(at)
	w.note(at)
	w.note(revocation.Position{Epoch: 1, Sequence: 99}) // beyond its room
	if again, _ := w.reached(at); !ok || first < time.Second || again != first {
		t.Errorf("noted %s, then %s", first, again)
	}
	if _, ok := w.reached(revocation.Position{Epoch: 1, Sequence: 99}); ok {
		t.Error("it has noted what it has no room for")
	}
}
