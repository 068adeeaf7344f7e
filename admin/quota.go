package admin

import (
	"sync"
	"time"
)

// How fast one caller may write and ask, and how much it may have under way at
// once. A sign-out of somebody must never wait behind a script that has gone
// wild.
const (
	writesPerSecond = 1000
	writesAtOnce    = 5000
	asksPerSecond   = 100
	asksAtOnce      = 1000
	importsAtOnce   = 2
	askingAtOnce    = 16
	feedsAtOnce     = 16
	// feedsOfARole are all those of callers with the same role: a provider's
	// tokens may name any number of callers, and those of a smaller role must not
	// take the place of a greater one's.
	feedsOfARole = 256
)

// rate is how fast a caller may do something.
type rate struct {
	interval time.Duration // for one more
	credit   time.Duration // what a caller that was idle may use up at once
}

var (
	writeRate = rate{time.Second / writesPerSecond, writesAtOnce * time.Second / writesPerSecond}
	askRate   = rate{time.Second / asksPerSecond, asksAtOnce * time.Second / asksPerSecond}
)

// manyCallers is how many callers are remembered before those are forgotten
// that could as well be new.
const manyCallers = 1024

// callerKey tells callers apart.
type callerKey struct{ source, name string }

func (c Caller) key() callerKey { return callerKey{c.Source, c.Name} }

// quota is a token bucket for each caller, kept as the instant at which its
// bucket is full again. The zero value has seen nobody.
type quota struct {
	mu   sync.Mutex
	full map[callerKey]time.Time
}

// take pays for one. Where nothing is left, it says how long until there is. All
// calls for one quota give the same rate.
func (q *quota) take(r rate, of callerKey, now time.Time) (wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full == nil {
		q.full = make(map[callerKey]time.Time)
	}
	if len(q.full) >= manyCallers {
		q.forget(now)
	}
	debt := min(max(q.full[of].Sub(now), 0), r.credit) // a clock set back locks nobody out
	if left := r.credit - debt; left < r.interval {
		wait = r.interval - left
	} else {
		debt += r.interval
	}
	q.full[of] = now.Add(debt)
	return wait
}

// forget lets those go whose bucket is full. The caller holds mu.
func (q *quota) forget(now time.Time) {
	for of, full := range q.full {
		if !full.After(now) {
			delete(q.full, of)
		}
	}
}

// lanes counts what each caller has under way. The zero value is empty.
type lanes struct {
	mu    sync.Mutex
	taken map[callerKey]int
}

// enter takes one of a caller's lanes, unless all are taken.
func (l *lanes) enter(of callerKey, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken[of] >= most {
		return false
	}
	if l.taken == nil {
		l.taken = make(map[callerKey]int)
	}
	l.taken[of]++
	return true
}

// leave is called once for each enter that succeeded.
func (l *lanes) leave(of callerKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken[of]--; l.taken[of] <= 0 {
		delete(l.taken, of)
	}
}

// paysFor refuses a call of a caller that has none left of its kind. An import
// is bounded by its lanes, and what is read by its id or kept already is free.
func (a *api) paysFor(c *call, op *operation) *Problem {
	now := a.Now()
	switch {
	case op.asks:
		return a.paysForAsking(c, now)
	case !op.takesKey() || op.streams:
		return nil
	}
	wait := a.Memory.writes.take(writeRate, c.caller.key(), now)
	if wait == 0 {
		return nil
	}
	return tooMany.because("a caller may write %d times a second, %d at once: send many in one import", writesPerSecond, writesAtOnce).
		retryAfter(wholeSeconds(wait))
}

// paysForAsking also takes a lane, until the call is over.
func (a *api) paysForAsking(c *call, now time.Time) *Problem {
	of := c.caller.key()
	if wait := a.Memory.asks.take(askRate, of, now); wait > 0 {
		return tooMany.because("a caller may ask for %d previews, searches, explanations and streams a second, %d at once", asksPerSecond, asksAtOnce).
			retryAfter(wholeSeconds(wait))
	}
	if c.operation == eventsID {
		return a.takesFeed(c, of)
	}
	if !a.Memory.asking.enter(of, askingAtOnce) {
		return tooMany.because("a caller may have %d previews, searches and explanations under way: wait for the answer of one", askingAtOnce).retryAfter(1)
	}
	c.leave = func() { a.Memory.asking.leave(of) }
	return nil
}

// takesFeed takes a stream of events of the caller's, and one of its role's.
func (a *api) takesFeed(c *call, of callerKey) *Problem {
	feeds, role := &a.Memory.feeds, callerKey{name: c.caller.Role.String()} // no caller is without a source
	if !feeds.enter(of, feedsAtOnce) {
		return tooMany.because("a caller may have %d streams of events: close one", feedsAtOnce).retryAfter(5)
	}
	if !feeds.enter(role, feedsOfARole) {
		feeds.leave(of)
		return tooMany.because("callers with the role %s may have %d streams of events together", c.caller.Role, feedsOfARole).retryAfter(5)
	}
	c.leave = func() {
		feeds.leave(of)
		feeds.leave(role)
	}
	return nil
}

// wholeSeconds rounds up, as Retry-After has no fractions.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
