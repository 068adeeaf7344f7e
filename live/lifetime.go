package live

import (
	"context"
	"sync"
	"sync/atomic"
)

// lifetime is the context of a live request. It needs a cancellable child of
// the request's own context only once a handler waits for it. Many handlers
// never do, so the first call of Done makes the child.
type lifetime struct {
	context.Context // of the request as it came

	mu     sync.Mutex
	ended  atomic.Bool // true if the request ended before that context, and before the child was made; written under mu
	waited atomic.Bool // child and cancel are set and do not change any more; written under mu
	child  context.Context
	cancel context.CancelFunc
}

// Done returns the child's channel, and makes the child if necessary.
func (l *lifetime) Done() <-chan struct{} {
	if !l.waited.Load() {
		l.beWaitedFor()
	}
	return l.child.Done()
}

func (l *lifetime) beWaitedFor() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waited.Load() {
		return
	}
	if l.ended.Load() {
		l.child, l.cancel = context.WithCancel(context.WithoutCancel(l.Context))
		l.cancel()
	} else {
		l.child, l.cancel = context.WithCancel(l.Context)
	}
	l.waited.Store(true)
}

// Err returns the reason for the end, or nil before it.
func (l *lifetime) Err() error {
	if l.waited.Load() {
		return l.child.Err()
	}
	if l.ended.Load() {
		return context.Canceled
	}
	return l.Context.Err()
}

// Value asks the child as well: package context looks there for the parent of
// further contexts. Otherwise each of them would cost a goroutine.
func (l *lifetime) Value(key any) any {
	if l.waited.Load() {
		return l.child.Value(key)
	}
	return l.Context.Value(key)
}

// end ends the context, unless it has ended.
func (l *lifetime) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.waited.Load():
		l.cancel()
	case l.Context.Err() == nil:
		l.ended.Store(true)
	}
}
