package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Ledger is an open local ledger. See [ledger.Ledger] for its contract.
type Ledger struct {
	options Options
	lock    *os.File
	witness *witness

	gate   sync.RWMutex // closed against sends on queue
	closed bool
	queue  chan *request
	done   chan struct{} // the appender has ended

	// handle guards store, which the appender opens anew after a failed sync.
	// It is nil while it can't be opened, and after Close.
	handle sync.RWMutex
	store  *store

	// The appender's own.
	position *position
	chain    chainer
	suspect  error // why the files must be opened anew before the next commit

	head    atomic.Pointer[ledger.Head]
	failure atomic.Pointer[error]
}

var _ ledger.Ledger = (*Ledger)(nil)

// Open opens the ledger in o.Dir, or begins one where the directory is empty.
// Errors wrap [ledger.ErrLocked], [ledger.ErrIntegrity] or
// [ledger.ErrUninitialised] where these are the reason. A full disk doesn't
// prevent it: the ledger can be read, and appends fail until there is space.
func Open(o Options) (*Ledger, error) {
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	l, err := open(o, lock)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return l, nil
}

func open(o Options, lock *os.File) (*Ledger, error) {
	if err := settle(o.Dir); err != nil {
		return nil, err
	}
	seen, witnessErr := readWitness(o.Witness)
	if err := begin(o.knowing(seen), seen, witnessErr); err != nil {
		return nil, err
	}
	l := &Ledger{options: o, lock: lock, queue: make(chan *request, queueLength), done: make(chan struct{})}
	head, err := l.openFiles(seen)
	if err != nil {
		return nil, err
	}
	l.head.Store(&head)
	l.suspect = l.seal(head)
	if errors.Is(l.suspect, ledger.ErrIntegrity) {
		l.closeFiles()
		return nil, l.suspect
	}
	l.witness = newWitness(o.Witness, head, witnessErr)
	go l.run()
	return l, nil
}

// openFiles opens log and position and checks that the log reaches the
// position, and whatever else was seen of it.
func (l *Ledger) openFiles(seen ledger.Head) (ledger.Head, error) {
	head, err := l.tryOpenFiles(seen)
	if err != nil {
		l.closeFiles()
	}
	return head, err
}

func (l *Ledger) tryOpenFiles(seen ledger.Head) (head ledger.Head, err error) {
	l.position, err = openPosition(filepath.Join(l.options.Dir, filePosition))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, errNoPosition) {
		err = damaged("%w", err)
	}
	if err != nil {
		return head, err
	}
	l.store, err = openStore(filepath.Join(l.options.Dir, fileLog), false)
	if err != nil {
		return head, err
	}
	if err := l.store.contains(l.position.newest.head, "its position file"); err != nil {
		return head, err
	}
	if err := l.store.acceptable(seen); err != nil {
		return head, err
	}
	return l.store.head()
}

func (l *Ledger) closeFiles() error {
	var errs []error
	if l.position != nil {
		errs = append(errs, l.position.close())
	}
	if l.store != nil {
		errs = append(errs, l.store.close())
	}
	l.position, l.store = nil, nil
	return errors.Join(errs...)
}

// seal writes the head anew to both files. What was read may be in the page
// cache only, when an earlier sync failed or a process was killed before it: a
// commit that is known to be synced makes all before it durable too.
func (l *Ledger) seal(head ledger.Head) error {
	err := l.store.update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketHead).Put(keyHead, appendHead(nil, head))
	})
	if err != nil {
		return fmt.Errorf("sealing the log: %w", err)
	}
	return l.position.seal(head)
}

// Head is the last durable entry.
func (l *Ledger) Head() ledger.Head { return *l.head.Load() }

// Err is nil while the log is sound, and wraps [ledger.ErrIntegrity] once it
// is known not to be.
func (l *Ledger) Err() error {
	if err := l.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// WitnessErr says why the witness could not be read or written lately, nil
// where it could or none is configured.
func (l *Ledger) WitnessErr() error { return l.witness.Err() }

// fail remembers an integrity failure for good and returns err.
func (l *Ledger) fail(err error) error {
	if errors.Is(err, ledger.ErrIntegrity) {
		l.failure.CompareAndSwap(nil, &err)
	}
	return err
}

// Close waits for appends under way and releases the files. Closing twice is
// no error.
func (l *Ledger) Close() error {
	l.gate.Lock()
	if l.closed {
		l.gate.Unlock()
		<-l.done
		return nil
	}
	l.closed = true
	close(l.queue)
	l.gate.Unlock()
	<-l.done

	l.handle.Lock()
	defer l.handle.Unlock()
	err := l.closeFiles()
	l.witness.close()
	return errors.Join(err, l.lock.Close())
}

// view runs fn in a short read transaction.
func (l *Ledger) view(fn func(*bolt.Tx) error) error {
	if err := l.Err(); err != nil {
		return err
	}
	l.handle.RLock()
	defer l.handle.RUnlock()
	if l.store == nil {
		return fmt.Errorf("%w: it is closed, or could not be opened again after a failed sync", ledger.ErrUnavailable)
	}
	return l.fail(l.store.view(fn))
}

// inPlace checks that the files at their paths are the ones that are open: what
// is written to a file that was swapped is gone at the next start.
func (l *Ledger) inPlace() error {
	for name, file := range map[string]*os.File{fileLog: l.store.file, filePosition: l.position.file} {
		held, err := file.Stat()
		if err != nil {
			return err
		}
		found, err := os.Stat(filepath.Join(l.options.Dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err != nil || !os.SameFile(held, found) {
			return damaged("%s was replaced or removed while in use", name)
		}
	}
	return nil
}

// Get returns one record, or [ledger.ErrNotFound].
func (l *Ledger) Get(ctx context.Context, ref revocation.Ref) (r revocation.Record, err error) {
	if err := ctx.Err(); err != nil {
		return r, err
	}
	err = l.view(func(tx *bolt.Tx) error {
		r, err = newLookup(tx).record(ref)
		return err
	})
	return r, err
}
