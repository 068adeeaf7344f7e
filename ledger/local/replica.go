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

// Replica is a node's copy of a ledger that several nodes share. [Replica.Commit]
// adds entries of the shared log. Read, Get, Search, Head and Err work as those of
// a [Ledger].
//
// Commit has one caller at a time. The other methods may be called concurrently.
type Replica struct {
	files
	mark atomic.Pointer[[]byte]

	mu     sync.Mutex // Close waits for a commit
	closed bool
}

// Copy is an entry of the shared ledger for a replica.
type Copy struct {
	Position revocation.Position
	Records  []revocation.Record
	// Encoded is the result of [revocation.AppendRecords] for Records. It must be
	// nil unless the caller knows that Records can be read back from it.
	Encoded []byte
	// Key is the idempotency key of the append, or zero. From now on the key refers
	// to this entry, and no more to an earlier one.
	Key ledger.Idempotency
}

// OpenReplica opens the replica in o.Dir. In an empty directory it begins an empty
// one, with a zero Head and no genesis. OnEmpty and Witness are not used. It fails
// with [ledger.ErrLocked] while another process has the directory. It fails with
// [ledger.ErrIntegrity] after damage; the caller can then use [SetAside] and begin
// a new one. A full disk doesn't prevent opening.
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

// Commit makes copies and the mark durable in one transaction. Each position must
// be the next sequence of its epoch or the first one of a later epoch. The first
// position of an empty replica may be any. A commit of a mark without copies is
// allowed.
//
// After an error all or none of the copies are committed. The caller may commit
// the same copies again, followed by more: Commit skips those that it has. The
// error wraps
//   - [ledger.ErrUnavailable] or [ledger.ErrOutcomeUnknown] if the disk fails;
//   - [revocation.ErrRecord] if records could not be read back;
//   - [ledger.ErrIntegrity] if copies don't follow the head, or differ from the
//     entries at their positions, because they are then of another ledger.
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

// Mark returns the mark of the last commit, or nil in a new replica.
func (r *Replica) Mark() []byte { return append([]byte(nil), *r.mark.Load()...) }

// Remembered returns the request, the position and the expiry of an idempotency
// key, or [ledger.ErrNotFound]. An expired key may still be found. After any other
// error the key may have been used.
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

// Close waits for a commit under way and releases the files. A second Close is no
// error.
func (r *Replica) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	return r.files.close()
}
