package local

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Replica is a node's copy of a ledger that several nodes share. Read, Get,
// Search, Head and Err are those of a [Ledger]; what is in it comes from the
// shared log, by [Replica.Commit].
//
// Commit has one caller at a time; the other methods may be called beside it.
type Replica struct {
	files
	mark atomic.Pointer[[]byte]

	mu     sync.Mutex // Close waits for a commit
	closed bool
}

// Copy is an entry of the shared ledger as a replica keeps it.
type Copy struct {
	Position revocation.Position
	Records  []revocation.Record
	// Encoded is what [revocation.AppendRecords] makes of Records, where it is
	// known that they can be read back from it; nil: it is not.
	Encoded []byte
	// Key is the idempotency key that it was appended with, if any, and if it
	// counts: another entry that had it does no longer.
	Key ledger.Idempotency
}

// OpenReplica opens the replica in o.Dir, or begins an empty one, with a zero
// Head and no genesis, where the directory is empty. OnEmpty and Witness are
// not used. Errors wrap [ledger.ErrLocked] or [ledger.ErrIntegrity] where these
// are the reason; after the latter, [SetAside] makes room for a new one. A full
// disk doesn't prevent it.
func OpenReplica(o Options) (*Replica, error) {
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	r, err := openReplica(o, lock)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return r, nil
}

func openReplica(o Options, lock *os.File) (*Replica, error) {
	if err := settle(o.Dir); err != nil {
		return nil, err
	}
	empty, err := isEmpty(o.Dir)
	if err == nil && empty {
		err = installation{dir: o.Dir}.run()
	}
	if err != nil {
		return nil, err
	}
	r := &Replica{files: files{options: o, replica: true, lock: lock}}
	if err := r.start(reaching(ledger.Head{})); err != nil {
		return nil, err
	}
	mark, err := r.store.mark()
	if err != nil {
		r.closeFiles()
		return nil, err
	}
	r.mark.Store(&mark)
	return r, nil
}

// Commit makes copies and the mark durable, together. Positions follow the
// head: each is the next sequence of its epoch or the first of a later one,
// save that the very first may be any. No copies, and a mark alone, are fine.
//
// After an error nothing is half done, and the same copies may be committed
// again, with more behind them: those that turn out to be there are passed
// over. The error wraps [ledger.ErrUnavailable] or [ledger.ErrOutcomeUnknown]
// for a disk that fails, [revocation.ErrRecord] for what could not be read
// back, and [ledger.ErrIntegrity] where copies don't follow, or are not what
// stands at their positions already: that is another ledger.
func (r *Replica) Commit(copies []Copy, mark []byte) error {
	drafts := make([]draft, len(copies))
	for i, c := range copies {
		if c.Encoded != nil {
			drafts[i] = draftOf(c.Encoded, c.Records)
			continue
		}
		var err error
		if drafts[i], err = newDraft(c.Records); err != nil {
			return fmt.Errorf("entry %s: %w", c.Position, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errClosed
	}
	if err := r.revive(); err != nil {
		return err
	}
	now := r.options.now()
	err := r.write(func(t *transaction) error {
		for i, c := range copies {
			if err := t.copy(c, drafts[i]); err != nil {
				return err
			}
		}
		if err := t.forget(now, 2*len(copies)+1); err != nil {
			return err
		}
		return t.putMark(mark)
	})
	if err == nil {
		mark = append([]byte(nil), mark...)
		r.mark.Store(&mark)
	}
	return err
}

// Mark is what the last commit was given; nil in a new replica.
func (r *Replica) Mark() []byte { return append([]byte(nil), *r.mark.Load()...) }

// Remembered says what an idempotency key was used for, and until when that
// counts, or [ledger.ErrNotFound]. A key that has expired may still be there.
// Any other error says nothing of the key.
func (r *Replica) Remembered(key [32]byte) (request [32]byte, pos revocation.Position, expires time.Time, err error) {
	var m memory
	var ok bool
	err = r.view(func(tx *bolt.Tx) error {
		m, ok = memoryOf(tx.Bucket(bucketKeys).Get(key[:]))
		return nil
	})
	switch {
	case err != nil:
		return request, pos, expires, fmt.Errorf("looking for an idempotency key: %w", err)
	case !ok:
		return request, pos, expires, fmt.Errorf("%w: no such idempotency key", ledger.ErrNotFound)
	}
	return m.request, m.position, time.Unix(m.expires, 0), nil
}

// Close waits for a commit under way and releases the files. Closing twice is
// no error.
func (r *Replica) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	return r.files.close()
}
