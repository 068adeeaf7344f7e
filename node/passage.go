package node

import (
	"context"
	"slices"
	"sync"

	"curfew.dev/curfew/revocation"
)

// passage lets callers wait until a position is passed. The zero value has
// passed none.
type passage struct {
	mu      sync.Mutex
	at      revocation.Position
	waiting []waiter
	ended   bool
}

type waiter struct {
	until  revocation.Position
	passed chan struct{} // closed
}

// pass says that everything up to a position is passed. It never goes back.
func (p *passage) pass(at revocation.Position) {
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

// passed is what everything up to it is passed.
func (p *passage) passed() revocation.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// awaited reports whether anybody waits.
func (p *passage) awaited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting) > 0
}

// end lets everybody go: nothing will pass any more.
func (p *passage) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, w := range p.waiting {
		close(w.passed)
	}
	p.waiting = nil
}

// expect is closed when a position is passed, or never will be. Whoever gives
// up says so.
func (p *passage) expect(pos revocation.Position) (passed <-chan struct{}, giveUp func()) {
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

func (p *passage) remove(gone waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(w waiter) bool { return w.passed == gone.passed })
}

// await waits until a position is passed, and reports whether it was before
// ctx ended.
func (p *passage) await(ctx context.Context, pos revocation.Position) bool {
	passed, giveUp := p.expect(pos)
	defer giveUp()
	select {
	case <-passed:
	case <-ctx.Done():
	}
	return pos.Compare(p.passed()) <= 0
}
