package node

import (
	"math/rand/v2"
	"time"
)

// ticking decides when this node appends a tick. One node ticks, and the others
// keep quiet while ticks come: the writer of the last tick goes on after an
// interval, and every other node waits longer, by a random delay of its own. A
// node that is not ready can't wait for that. If others are ready, it calls, and
// the node that ticks does so early. If none is, it ticks itself. Fifty nodes that
// start together share a few ticks, because a tick has the nonces of all nodes
// that its writer heard.
type ticking struct {
	seen   time.Time // when the last tick was applied
	mine   bool      // it was this node's
	tried  time.Time // when this node last appended one, or failed to
	wanted time.Time // since when the node could tick and is not ready; zero: it is
	helped bool      // another node has been ready since then
	called time.Time // since when another node, which is not ready, waits for one
	chance float64   // in [0, 1), drawn anew for each tick
	// underWay: one is being appended.
	underWay bool
	// contradict: the writer of the last tick has other horizons, and this node's
	// next tick should tell it.
	contradict bool
}

// How a node that is not ready ticks.
const (
	// hearOthers is how long it listens first.
	hearOthers = 5 * time.Millisecond
	// perNode is how much each node that is heard adds to the random delay.
	perNode = 2 * time.Millisecond
	// leastTickGap is the shortest time between ticks for nodes that call.
	leastTickGap = 100 * time.Millisecond
	// patience is how long it waits for a tick of the others.
	patience = 2 * leastTickGap
)

// applied notes a tick, and whether another node still waits for one.
func (t *ticking) applied(now time.Time, mine, called bool) {
	t.seen, t.mine, t.chance, t.called, t.contradict = now, mine, rand.Float64(), time.Time{}, false
	if called {
		t.called = now
	}
}

// want notes whether this node waits for its first tick.
func (t *ticking) want(now time.Time, wanting bool) {
	switch {
	case !wanting:
		t.wanted, t.helped = time.Time{}, false
	case t.wanted.IsZero():
		t.wanted, t.chance = now, rand.Float64()
	}
}

// call notes that another node waits for a tick, and reports whether this node
// should append it.
func (t *ticking) call(now time.Time) bool {
	if t.called.IsZero() {
		t.called = now
	}
	return t.mine && t.wanted.IsZero()
}

// due is when the next tick should be appended, if none comes before.
func (t *ticking) due(interval time.Duration, nodes int) time.Time {
	gap := min(leastTickGap, interval)
	switch {
	case !t.wanted.IsZero():
		listen := hearOthers
		if t.helped {
			listen = patience
		}
		spread := time.Duration(t.chance * float64(nodes) * float64(perNode))
		return latest(t.wanted.Add(listen), t.seen.Add(gap), t.tried.Add(interval)).Add(spread)
	case t.contradict:
		return latest(t.seen.Add(gap), t.tried.Add(gap)).Add(time.Duration(t.chance * float64(nodes) * float64(perNode)))
	case !t.mine:
		return latest(t.seen, t.tried).Add(interval + interval/4 + time.Duration(t.chance*float64(interval)/2))
	}
	next := latest(t.seen, t.tried).Add(interval)
	if early := latest(t.called.Add(hearOthers), t.seen.Add(gap), t.tried.Add(gap)); !t.called.IsZero() && early.Before(next) {
		return early
	}
	return next
}

func latest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.After(first) {
			first = t
		}
	}
	return first
}
