package node

import (
	"context"
	"slices"
	"sync"

	"curfew.dev/curfew/revocation"
)

// progress is a position that grows, and the callers that wait until it has
// grown so far. The zero value has passed no position.
type progress struct {
	mu      sync.Mutex
	at      revocation.Position
	waiting []waiter
	ended   bool
}

type waiter struct {
	until  revocation.Position
	passed chan struct{} // closed
}

// pass moves the position forward, never back.
func (p *progress) pass(at revocation.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Compare(p.at) <= 0 {
		return
	}
	p.at = at
	p.waiting = slices.DeleteFunc(p.waiting, func(w waiter) bool {
		passed := w.until.Compare(at) <= 0
		if passed {
			close(w.passed)
		}
		return passed
	})
}

// passed returns the position.
func (p *progress) passed() revocation.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// awaited reports whether anybody waits.
func (p *progress) awaited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting) > 0
}

// end releases all waiters: the position moves no more.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, w := range p.waiting {
		close(w.passed)
	}
	p.waiting = nil
}

// expect returns a channel that is closed when a position is passed, or never
// will be. A caller that stops waiting calls giveUp.
func (p *progress) expect(pos revocation.Position) (passed <-chan struct{}, giveUp func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := waiter{pos, make(chan struct{})}
	if p.ended || pos.Compare(p.at) <= 0 {
		close(w.passed)
	} else {
		p.waiting = append(p.waiting, w)
	}
	return w.passed, func() { p.remove(w) }
}

func (p *progress) remove(gone waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(w waiter) bool { return w.passed == gone.passed })
}

// await waits until a position is passed, and reports whether it was before
// ctx ended.
func (p *progress) await(ctx context.Context, pos revocation.Position) bool {
	passed, giveUp := p.expect(pos)
	defer giveUp()
	select {
	case <-passed:
	case <-ctx.Done():
	}
	return pos.Compare(p.passed()) <= 0
}
