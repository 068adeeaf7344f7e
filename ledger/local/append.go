package local

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Bounds of the queue and of one commit.
const (
	queueLength = 1024
	batchLength = 1024
	// largePayload is the size above which an entry is committed alone, in bytes.
	largePayload = 8 << 10
	// MaxEntry is the largest encoding of one entry's records, in bytes.
	MaxEntry = 16 << 20
)

// request is an append that was not answered yet.
type request struct {
	draft
	key    ledger.Idempotency
	state  atomic.Uint32
	answer chan answer
	next   answer // only for the appender: the answer if the commit succeeds
}

type answer struct {
	position revocation.Position
	replayed bool
	err      error
}

// The states of a request. The caller or the appender changes it from waiting, so
// that an abandoned request is never written.
const (
	waiting = iota
	taken
	abandoned
)

// Append makes records durable as one entry. See [ledger.Ledger]. It refuses
// records that could not be read back with [revocation.ErrRecord].
func (l *Ledger) Append(ctx context.Context, records []revocation.Record, key ledger.Idempotency) (revocation.Position, bool, error) {
	r, err := newRequest(records, key)
	if err != nil {
		return revocation.Position{}, false, err
	}
	if err := l.send(ctx, r); err != nil {
		return revocation.Position{}, false, err
	}
	select {
	case a := <-r.answer:
		return a.position, a.replayed, a.err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(waiting, abandoned) {
		return revocation.Position{}, false, notTaken(ctx)
	}
	return revocation.Position{}, false, fmt.Errorf("%w: %w while it was being written", ledger.ErrOutcomeUnknown, ctx.Err())
}

func notTaken(ctx context.Context) error {
	return fmt.Errorf("%w: %w before it was written", ledger.ErrUnavailable, ctx.Err())
}

func newRequest(records []revocation.Record, key ledger.Idempotency) (*request, error) {
	d, err := newDraft(records)
	if err != nil {
		return nil, err
	}
	return &request{draft: d, key: key, answer: make(chan answer, 1)}, nil
}

func (l *Ledger) send(ctx context.Context, r *request) error {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if l.closed {
		return errClosed
	}
	if ctx.Err() != nil {
		return notTaken(ctx)
	}
	select {
	case l.queue <- r:
		return nil
	case <-ctx.Done():
		return notTaken(ctx)
	}
}

// run is the appender. It commits all waiting requests in one batch, so that many
// callers share a sync and a single caller does not wait for others. It commits
// one large request after each batch, so that a small request waits for at most
// one large one.
func (l *Ledger) run() {
	defer close(l.done)
	var batch, large []*request
	for open := true; open || len(large) > 0; {
		batch, large, open = l.gather(batch[:0], large, open)
		l.commit(batch)
		clear(batch)
		if len(large) > 0 {
			if large[0].state.CompareAndSwap(waiting, taken) {
				l.commit(large[:1])
			}
			large[0], large = nil, large[1:]
		}
	}
}

// gather takes all requests from the queue. It waits for the first one if no large
// request is left. It yields before it takes the rest, because callers that were
// just answered would otherwise always miss the commit.
func (l *Ledger) gather(batch, large []*request, open bool) ([]*request, []*request, bool) {
	if !open {
		return batch, large, false
	}
	if len(large) == 0 {
		r, ok := <-l.queue
		if !ok {
			return batch, large, false
		}
		batch, large = r.sort(batch, large)
	}
	runtime.Gosched()
	for len(batch) < batchLength {
		select {
		case r, ok := <-l.queue:
			if !ok {
				return batch, large, false
			}
			batch, large = r.sort(batch, large)
		default:
			return batch, large, true
		}
	}
	return batch, large, true
}

// sort adds a request to batch or to large, unless its caller has abandoned it.
func (r *request) sort(batch, large []*request) ([]*request, []*request) {
	switch {
	case len(r.payload) > largePayload:
		large = append(large, r)
	case r.state.CompareAndSwap(waiting, taken):
		batch = append(batch, r)
	}
	return batch, large
}

// commit writes a batch and answers each request.
func (l *Ledger) commit(batch []*request) {
	if len(batch) == 0 {
		return
	}
	durable := l.Head().Position
	err := l.revive()
	if err == nil {
		durable = l.Head().Position
		err = l.write(batch)
	}
	for _, r := range batch {
		a := r.next
		// An answer that names an entry from before this commit stays true.
		if err != nil && (a.position.Sequence == 0 || a.position.Compare(durable) > 0) {
			a = answer{err: err}
		}
		if a.err != nil {
			a.position = revocation.Position{}
		}
		r.answer <- a
	}
}

func (l *Ledger) write(batch []*request) error {
	err := l.files.write(func(t *transaction) error {
		now := l.options.now()
		for _, r := range batch {
			var err error
			if r.next, err = t.append(r, now); err != nil {
				return err
			}
		}
		if t.head == l.Head() {
			return errUnchanged
		}
		return t.forget(now, 2*len(batch))
	})
	if err == nil {
		l.witness.see(l.Head())
	}
	return err
}
