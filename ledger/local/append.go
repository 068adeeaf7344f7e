package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Bounds of the queue and of one commit.
const (
	queueLength = 1024
	batchLength = 1024
	batchBytes  = 8 << 20
	// MaxEntry is the largest encoding of one entry's records, in bytes.
	MaxEntry = 16 << 20
)

// request is an append on its way through the appender.
type request struct {
	payload  []byte
	mentions []mention
	key      ledger.Idempotency
	state    atomic.Uint32
	answer   chan answer
	next     answer // the appender's, until the commit has succeeded
}

type answer struct {
	position revocation.Position
	replayed bool
	err      error
}

// The states of a request: only one of caller and appender gets it.
const (
	waiting = iota
	taken
	abandoned
)

// Append makes records durable as one entry. See [ledger.Ledger]. Records that
// could not be read back are refused with [revocation.ErrRecord].
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
	payload := revocation.AppendRecords(nil, records)
	if len(payload) > MaxEntry {
		return nil, fmt.Errorf("%w: an entry of %d bytes, the limit is %d: append fewer records at once", revocation.ErrRecord, len(payload), MaxEntry)
	}
	// What can't be read back would stop the next start.
	if _, err := revocation.DecodeRecords(payload); err != nil {
		return nil, err
	}
	return &request{payload: payload, mentions: mentionsOf(records), key: key, answer: make(chan answer, 1)}, nil
}

func (l *Ledger) send(ctx context.Context, r *request) error {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if l.closed {
		return fmt.Errorf("%w: it is closed", ledger.ErrUnavailable)
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

// run is the appender: it commits everything that waits at once, so that many
// callers share the syncs and a lone one waits for nobody.
func (l *Ledger) run() {
	defer close(l.done)
	var batch []*request
	for r := range l.queue {
		batch = l.gather(batch[:0], r)
		l.commit(batch)
		clear(batch)
	}
}

// gather takes what is in the queue. Callers that were just answered get a
// chance to come back first, or they would always miss the commit.
func (l *Ledger) gather(batch []*request, r *request) []*request {
	runtime.Gosched()
	for size := 0; ; {
		if r.state.CompareAndSwap(waiting, taken) {
			batch, size = append(batch, r), size+len(r.payload)
		}
		if len(batch) >= batchLength || size >= batchBytes {
			return batch
		}
		var ok bool
		select {
		case r, ok = <-l.queue:
			if !ok {
				return batch
			}
		default:
			return batch
		}
	}
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
		// What rests on entries that were durable before is true in any case.
		if err != nil && (a.position.Sequence == 0 || a.position.Compare(durable) > 0) {
			a = answer{err: err}
		}
		if a.err != nil {
			a.position = revocation.Position{}
		}
		r.answer <- a
	}
}

// errUnchanged ends a transaction in which there was nothing to write.
var errUnchanged = errors.New("nothing to write")

func (l *Ledger) write(batch []*request) error {
	var head ledger.Head
	err := l.store.update(func(tx *bolt.Tx) error {
		t, now := newTransaction(tx, l.Head(), &l.chain), l.options.now()
		for _, r := range batch {
			var err error
			if r.next, err = t.append(r, now); err != nil {
				return err
			}
		}
		head = t.head
		if head == l.Head() {
			return errUnchanged
		}
		return errors.Join(t.forget(now, 2*len(batch)), t.putHead())
	})
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case err != nil:
		return l.commitFailed(err, head)
	}
	if err := l.position.write(head); err != nil {
		l.suspect = err
		return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
	}
	if err := l.inPlace(); err != nil {
		l.suspect = err
		return l.fail(fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err))
	}
	l.head.Store(&head)
	l.witness.see(head)
	return nil
}

// commitFailed says what became of a transaction that failed: it is unknown
// only when its meta page was written, which bbolt does last, and not synced.
func (l *Ledger) commitFailed(err error, head ledger.Head) error {
	if errors.Is(err, ledger.ErrIntegrity) {
		return l.fail(err)
	}
	if !outOfSpace(err) {
		l.suspect = err
	}
	written, readErr := l.store.has(head)
	if written || readErr != nil {
		l.suspect = err
		return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
	}
	return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
}

// outOfSpace reports whether a write, and not a sync, found no space. Then the
// file is as it was, and the next append may find some.
func outOfSpace(err error) bool {
	var failed *os.PathError
	return errors.As(err, &failed) && failed.Op == "write" &&
		(errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}

// revive opens the files anew after a failure that leaves open what is on the
// disk, verifies them against what was acknowledged, and seals them. Until that
// has succeeded nothing is acknowledged.
func (l *Ledger) revive() error {
	if err := l.Err(); err != nil {
		return err
	}
	if l.suspect == nil {
		return nil
	}
	l.handle.Lock()
	defer l.handle.Unlock()
	l.closeFiles() // its errors are those that led here
	head, err := l.openFiles(l.Head())
	if err == nil {
		err = l.seal(head)
	}
	if errors.Is(err, ledger.ErrIntegrity) {
		return l.fail(err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w (after: %w)", ledger.ErrUnavailable, err, l.suspect)
	}
	l.suspect = nil
	l.head.Store(&head)
	return nil
}
