package live

import (
	"context"
	"sync"
	"sync/atomic"
)

// lifetime is the context of a live request. Many handlers never wait for
// their context, so what it takes to be waited for, a cancellable child of the
// context that the request came with, is made when somebody first does.
type lifetime struct {
	context.Context // that the request came with

	mu     sync.Mutex
	ended  atomic.Bool // before that context and before anybody waited; written under mu
	waited atomic.Bool // written under mu, once child and cancel are there for good
	child  context.Context
	cancel context.CancelFunc
}

// Done makes the child, unless there is one.
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

// Err says why it ended; nil while it has not.
func (l *lifetime) Err() error {
	if l.waited.Load() {
		return l.child.Err()
	}
	if l.ended.Load() {
		return context.Canceled
	}
	return l.Context.Err()
}

// Value leads to the child as well: package context finds there what it hangs
// further contexts on. Otherwise each of them would cost a goroutine.
func (l *lifetime) Value(key any) any {
	if l.waited.Load() {
		return l.child.Value(key)
	}
	return l.Context.Value(key)
}

// end ends it, if it has not ended.
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
