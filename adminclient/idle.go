package adminclient

import (
	"context"
	"io"
	"sync"
	"time"
)

// idleTimer gives up on an exchange in which nothing has moved for a while. It
// is for exchanges without a length: imports and events.
type idleTimer struct {
	limit time.Duration

	mu     sync.Mutex
	timer  *time.Timer
	paused bool
}

func newIdleTimer(limit time.Duration, giveUp context.CancelFunc) *idleTimer {
	return &idleTimer{limit: limit, timer: time.AfterFunc(limit, giveUp)}
}

func (t *idleTimer) stop() { t.timer.Stop() }

// moved begins the time anew.
func (t *idleTimer) moved() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.paused {
		t.timer.Reset(t.limit)
	}
}

// pause stops the time or lets it begin anew.
func (t *idleTimer) pause(on bool) {
	t.mu.Lock()
	t.paused = on
	t.mu.Unlock()
	t.timer.Stop()
	t.moved()
}

// answer counts every read as movement.
func (t *idleTimer) answer(r io.Reader) io.Reader { return idleAnswer{r, t} }

type idleAnswer struct {
	io.Reader
	timer *idleTimer
}

func (a idleAnswer) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	a.timer.moved()
	return n, err
}

// source doesn't count the time for which a read from r takes.
func (t *idleTimer) source(r io.Reader) io.Reader { return idleSource{r, t} }

type idleSource struct {
	io.Reader
	timer *idleTimer
}

func (s idleSource) Read(p []byte) (int, error) {
	s.timer.pause(true)
	defer s.timer.pause(false)
	return s.Reader.Read(p)
}
