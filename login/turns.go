package login

import (
	"context"
	"sync"
	"time"
)

// turns has the callbacks of one browser take turns, so that twenty tabs that
// were restored at once make one session. It remembers for each browser the
// session that it got here a moment ago, and which attempts it has used.
//
// A node remembers only what it has seen itself, within a bound: another node
// makes a session of its own, and the provider refuses a code that was used.
type turns struct {
	mu sync.Mutex
	of map[string]*turn
}

const (
	maxTurns = 8192
	maxUsed  = 64 // attempts of one browser that are remembered
)

// turn is what one browser does at one sign-in and host.
type turn struct {
	busy chan struct{} // holds one value while a callback is judged

	mu    sync.Mutex
	used  []string // ids of attempts
	last  time.Time
	made  *Session
	since time.Time // of made
	got   chan struct{}
}

func (t *turns) take(key string, now time.Time) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.of[key]
	if of == nil {
		t.room(now)
		of = &turn{busy: make(chan struct{}, 1), got: make(chan struct{})}
		t.of[key] = of
	}
	of.mu.Lock()
	of.last = now
	of.mu.Unlock()
	return of
}

// room forgets the browsers whose attempts can't come back any more and, if there
// are still too many, any.
func (t *turns) room(now time.Time) {
	if t.of == nil {
		t.of = make(map[string]*turn)
	}
	if len(t.of) < maxTurns {
		return
	}
	for key, of := range t.of {
		of.mu.Lock()
		old := now.Sub(of.last) > attemptAge
		of.mu.Unlock()
		if old {
			delete(t.of, key)
		}
	}
	if len(t.of) < maxTurns {
		return
	}
	for key := range t.of { // many at once: each look at all of them costs time
		if len(t.of) < maxTurns*7/8 {
			return
		}
		delete(t.of, key)
	}
}

func (t *turn) lock(ctx context.Context) error {
	select {
	case t.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *turn) unlock() { <-t.busy }

// use notes that an attempt has come back, and reports whether it had before.
func (t *turn) use(id string) (before bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, used := range t.used {
		if used == id {
			return true
		}
	}
	t.used = append(t.used[max(0, len(t.used)+1-maxUsed):], id)
	return false
}

func (t *turn) make(s *Session, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made == nil {
		close(t.got)
	}
	t.made, t.since = s, now
}

// session is the one that the browser got here while an attempt was under way that
// had begun at a time, or nil. An attempt that began after the browser had got its
// session shows that the session did not come back.
func (t *turn) session(begun time.Time) *Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made == nil || begun.After(t.since) {
		return nil
	}
	return t.made
}

// latest is the last session that the browser got here, or nil.
func (t *turn) latest() *Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.made
}

// await waits until another tab has got a session.
func (t *turn) await(ctx context.Context) {
	t.mu.Lock()
	got := t.got
	t.mu.Unlock()
	select {
	case <-got:
	case <-ctx.Done():
	}
}
