package node

import (
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Ticks name a node that may be serving though it is not heard, so that a node that
// starts meanwhile waits for it as well. They don't do so for ever.
func TestEchoesOfTheUnheard(t *testing.T) {
	var p peers
	now := time.Now()
	tick := ledger.Tick{By: "a/1", Echoes: []ledger.Echo{{Node: "a/1", Nonce: 1, MaxStaleness: time.Minute}, {Node: "b/1", Nonce: 7, MaxStaleness: time.Second, Unbounded: true}}}
	p.ticked(&tick, "c/1", now)
	for after, want := range map[time.Duration]int{0: 2, time.Second: 2, 2 * time.Second: 1, 2 * time.Minute: 0} {
		if got := p.echoes(now.Add(after)); len(got) != want {
			t.Errorf("after %s: %+v", after, got)
		}
	}
	p.ticked(&tick, "c/1", now.Add(time.Hour)) // nothing new
	if r := p.rosterAt(now.Add(time.Hour)); len(r.members) != 1 || !r.members[0].unbounded {
		t.Errorf("%+v", r)
	}
	p.forget(now.Add(time.Hour))
	if r := p.rosterAt(now.Add(time.Hour)); len(r.members) != 0 {
		t.Errorf("%+v", r)
	}
}

// When a node reached something is never told too early, however much it has
// reached since.
func TestMilestones(t *testing.T) {
	var p peer
	began := time.Now()
	at := func(i int) revocation.Position { return revocation.Position{Epoch: 1, Sequence: uint64(i)} }
	for i := 1; i <= 3*milestones; i++ {
		p.reach(at(2*i), began.Add(time.Duration(i)*time.Second))
		p.reach(at(i), began) // late news
	}
	for i := 1; i <= 3*milestones; i++ {
		for _, pos := range []revocation.Position{at(2 * i), at(2*i - 1)} {
			since, ok := p.since(pos)
			if truly := began.Add(time.Duration(i) * time.Second); !ok || since.Before(truly) || i > 2*milestones+milestones/2 && !since.Equal(truly) {
				t.Fatalf("%s: %s, %t; truly %s", pos, since, ok, truly)
			}
		}
	}
	if _, ok := p.since(at(6*milestones + 1)); ok {
		t.Error("it has not reached that")
	}
}
