package admin

import (
	"sync"
	"time"
)

// How fast one caller may write, and how many imports it may run at once. A
// sign-out of somebody must never wait behind a script that has gone wild.
const (
	writesPerSecond = 1000
	writesAtOnce    = 5000
	importsAtOnce   = 2
)

const (
	writeInterval = time.Second / writesPerSecond
	// writeCredit is what a caller that was idle may use up at once.
	writeCredit = writesAtOnce * writeInterval
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

// take pays for a write. Where nothing is left, it says how long until there is.
func (q *quota) take(of callerKey, now time.Time) (wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full == nil {
		q.full = make(map[callerKey]time.Time)
	}
	if len(q.full) >= manyCallers {
		q.forget(now)
	}
	debt := min(max(q.full[of].Sub(now), 0), writeCredit) // a clock set back locks nobody out
	if left := writeCredit - debt; left < writeInterval {
		wait = writeInterval - left
	} else {
		debt += writeInterval
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

// paysFor refuses a write of a caller that has none left. Reads are free, and an
// import is bounded by its lanes.
func (a *api) paysFor(c *call, op *operation) *Problem {
	if !op.takesKey() || op.streams {
		return nil
	}
	wait := a.Memory.writes.take(c.caller.key(), a.Now())
	if wait == 0 {
		return nil
	}
	return tooMany.because("a caller may write %d times a second, %d at once: send many in one import", writesPerSecond, writesAtOnce).
		retryAfter(wholeSeconds(wait))
}

// wholeSeconds rounds up, as Retry-After has no fractions.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
