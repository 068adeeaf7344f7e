package nats

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// The times and counts after which waiting entries are written to the replica. A
// commit costs about the same for one entry as for a hundred, and after a crash
// the entries are read again from the stream. Each node waits for a different
// time, because nodes that share a disk get the same entries at the same moment. A
// mark without entries may wait longer.
const (
	lookEvery  = 100 * time.Millisecond
	flushEvery = 500 * time.Millisecond
	markEvery  = 15 * time.Second
	flushAt    = 4096 // records
	// mostWaiting is how many records may wait, plus at most one message: some
	// hundred megabytes.
	mostWaiting = 1 << 19
)

// forgetLater is how long an expired idempotency key is kept. A later message may
// have an earlier stamp, from another server's clock, at which the key has not
// expired. All nodes must then find the key, whenever each wrote its replica.
const forgetLater = time.Hour

// replica is the node's replica of the log and the entries that still have to be
// written to it.
type replica struct {
	*local.Replica
	begun mark         // the mark at opening
	stamp atomic.Int64 // of the stream's last message, Unix nanoseconds

	outdated atomic.Bool // it is set aside when it is closed

	writing sync.Mutex // held during a commit

	mu      sync.Mutex
	waiting []local.Copy
	records int                 // in waiting
	keys    map[[32]byte]memory // of the entries in waiting
	mark    mark
	dirty   bool // the mark has changed since the last commit
	written time.Time
	rest    time.Duration // from written until waiting entries are written
}

// openReplica opens the replica in o.Dir. A damaged replica is set aside and read
// anew from the stream, which must then reach the old one's head. A replica that a
// newer build wrote is left alone.
func openReplica(o Options) (*replica, error) {
	r := &replica{keys: make(map[[32]byte]memory)}
	options := local.Options{Dir: o.Dir, Now: func() time.Time { return time.Unix(0, r.stamp.Load()).Add(-forgetLater) }}
	opened, err := local.OpenReplica(options)
	var lost ledger.Head
	if errors.Is(err, ledger.ErrIntegrity) && !errors.Is(err, revocation.ErrNewer) {
		o.Log.Error("the replica is damaged; it is set aside and read anew", "dir", o.Dir, "error", err)
		if lost, err = local.SetAside(o.Dir, o.Now()); err == nil {
			opened, err = local.OpenReplica(options)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the replica: %w", err)
	}
	r.Replica = opened
	if r.begun, err = decodeMark(opened.Mark()); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: the mark of the replica in %s: %w", ledger.ErrIntegrity, o.Dir, err), opened.Close())
	}
	if lost.Position.Compare(r.begun.Owes) > 0 {
		r.begun.Owes = lost.Position
		if err := opened.Commit(nil, r.begun.encode()); err != nil { // a second crash must not forget it
			return nil, errors.Join(fmt.Errorf("beginning the replica anew: %w", err), opened.Close())
		}
	}
	r.mark = r.begun
	return r, nil
}

// note records a changed mark without entries.
func (r *replica) note(m mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mark, r.dirty = m, true
}

// add queues entries and the mark after them. They are written later.
func (r *replica) add(entries []folded, m mark, stamp time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range entries {
		r.waiting = append(r.waiting, entries[i].copy)
		r.records += len(entries[i].copy.Records)
		if key := entries[i].copy.Key; !key.IsZero() {
			r.keys[key.Key] = entries[i].mem
		}
	}
	r.mark, r.dirty = m, true
	r.stamp.Store(stamp.UnixNano())
}

// room flushes the replica if too many records wait, so that a slow or failing
// disk can't exhaust memory. The caller must not read more until room succeeds.
func (r *replica) room() error {
	r.mu.Lock()
	full := r.records >= mostWaiting
	r.mu.Unlock()
	if !full {
		return nil
	}
	return r.flush()
}

// remembered returns the first use of an idempotency key, waiting or written, or
// [ledger.ErrNotFound]. After any other error the key may have been used.
func (r *replica) remembered(key [32]byte) (m memory, err error) {
	r.mu.Lock()
	m, ok := r.keys[key]
	r.mu.Unlock()
	if ok {
		return m, nil
	}
	m.request, m.position, m.expires, err = r.Remembered(key)
	return m, err
}

// keepFlushing writes the waiting entries until ctx ends.
func (r *replica) keepFlushing(ctx context.Context) {
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if r.due() {
			_ = r.flush() // readers get the error; the waiting entries are tried again
		}
	}
}

func (r *replica) due() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	rested := time.Since(r.written)
	return r.records >= flushAt || len(r.waiting) > 0 && rested > r.rest || r.dirty && rested > markEvery
}

// flush writes all entries that were added before the call, and their mark.
func (r *replica) flush() error {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	copies, m, idle := r.waiting, r.mark, len(r.waiting) == 0 && !r.dirty
	r.dirty = false // another mark may come while this one is written
	r.mu.Unlock()
	if idle {
		return nil
	}
	err := r.Commit(copies, m.encode())
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.dirty = true
		return fmt.Errorf("writing the replica: %w", err)
	}
	for i := range copies {
		r.records -= len(copies[i].Records)
		if key := copies[i].Key; !key.IsZero() && r.keys[key.Key].position == copies[i].Position {
			delete(r.keys, key.Key)
		}
	}
	if r.waiting = r.waiting[len(copies):]; len(r.waiting) == 0 {
		r.waiting = nil
	}
	r.written = time.Now()
	r.rest = flushEvery/2 + rand.N(flushEvery)
	return nil
}

func (r *replica) close(o Options) error {
	err := errors.Join(r.flush(), r.Close())
	if r.outdated.Load() {
		_, lost := local.SetAside(o.Dir, o.Now())
		err = errors.Join(err, lost)
	}
	return err
}
