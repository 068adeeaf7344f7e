package httpapi

import (
	"sync"
	"time"
)

// Rate is how fast a caller may do something.
type Rate struct {
	PerSecond int
	AtOnce    int // by a caller that was idle
}

func (r Rate) interval() time.Duration { return time.Second / time.Duration(r.PerSecond) }

func (r Rate) credit() time.Duration {
	return time.Duration(r.AtOnce) * time.Second / time.Duration(r.PerSecond)
}

// manyCallers is how many callers are remembered before those are forgotten
// that could as well be new.
const manyCallers = 1024

// Quota is a token bucket for each caller, kept as the instant at which its
// bucket is full again. The zero value has seen nobody.
type Quota struct {
	mu   sync.Mutex
	full map[callerKey]time.Time
}

// Take takes one of a caller's bucket. If the bucket is empty, it returns how long
// to wait for the next. All calls for one quota give the same rate.
func (q *Quota) Take(r Rate, by Caller, now time.Time) (wait time.Duration) {
	of, interval, credit := by.key(), r.interval(), r.credit()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full == nil {
		q.full = make(map[callerKey]time.Time)
	}
	if len(q.full) >= manyCallers {
		q.forget(now)
	}
	debt := min(max(q.full[of].Sub(now), 0), credit) // a clock set back locks nobody out
	if left := credit - debt; left < interval {
		wait = interval - left
	} else {
		debt += interval
	}
	q.full[of] = now.Add(debt)
	return wait
}

// forget lets those go whose bucket is full. The caller holds mu.
func (q *Quota) forget(now time.Time) {
	for of, full := range q.full {
		if !full.After(now) {
			delete(q.full, of)
		}
	}
}

// Callers is how many callers are remembered.
func (q *Quota) Callers() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.full)
}

// Slots counts the calls that each caller has under way. The zero value is empty.
type Slots struct {
	mu    sync.Mutex
	taken map[callerKey]int
}

// Enter takes one of a caller's slots, unless it has as many as it may.
func (s *Slots) Enter(by Caller, most int) bool {
	of := by.key()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[of] >= most {
		return false
	}
	if s.taken == nil {
		s.taken = make(map[callerKey]int)
	}
	s.taken[of]++
	return true
}

// Leave is called once for each Enter that succeeded.
func (s *Slots) Leave(by Caller) {
	of := by.key()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[of]--; s.taken[of] <= 0 {
		delete(s.taken, of)
	}
}

// Taken is how many slots a caller has.
func (s *Slots) Taken(by Caller) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[by.key()]
}

// Callers is how many callers have slots.
func (s *Slots) Callers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.taken)
}

// RetryIn adds a Retry-After. It rounds up to whole seconds.
func (p *Problem) RetryIn(d time.Duration) *Problem {
	return p.RetryAfter(int((d + time.Second - 1) / time.Second))
}
