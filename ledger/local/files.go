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

// files are log and position, open: what one writer and many readers do with
// them, whether they are a ledger or a replica.
type files struct {
	options Options
	replica bool // what they should be
	lock    *os.File

	// handle guards store, which the writer opens anew after a failed sync.
	// It is nil while it can't be opened, and after Close.
	handle sync.RWMutex
	store  *store

	// The writer's own.
	position *position
	chain    ledger.Chainer
	suspect  error // why the files must be opened anew before the next commit

	head    atomic.Pointer[ledger.Head]
	failure atomic.Pointer[error]
}

// start opens the files, which must pass a check of what was seen of them.
func (f *files) start(check func(*store) error) error {
	head, err := f.openFiles(check)
	if err != nil {
		return err
	}
	f.head.Store(&head)
	f.suspect = f.seal(head)
	if errors.Is(f.suspect, ledger.ErrIntegrity) {
		f.closeFiles()
		return f.suspect
	}
	return nil
}

// openFiles opens log and position and checks that the log reaches the
// position, and whatever else was seen of it.
func (f *files) openFiles(check func(*store) error) (ledger.Head, error) {
	head, err := f.tryOpenFiles(check)
	if err != nil {
		f.closeFiles()
	}
	return head, err
}

func (f *files) tryOpenFiles(check func(*store) error) (head ledger.Head, err error) {
	f.position, err = openPosition(filepath.Join(f.options.Dir, filePosition))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, errNoPosition) {
		err = damaged("%w", err)
	}
	if err != nil {
		return head, err
	}
	f.store, err = openStore(filepath.Join(f.options.Dir, fileLog), false)
	if err != nil {
		return head, err
	}
	if err := f.store.isReplica(f.replica); err != nil {
		return head, err
	}
	if err := f.store.contains(f.position.newest.head, "its position file"); err != nil {
		return head, err
	}
	if err := check(f.store); err != nil {
		return head, err
	}
	return f.store.head()
}

func (f *files) closeFiles() error {
	var errs []error
	if f.position != nil {
		errs = append(errs, f.position.close())
	}
	if f.store != nil {
		errs = append(errs, f.store.close())
	}
	f.position, f.store = nil, nil
	return errors.Join(errs...)
}

// seal writes the head anew to both files. What was read may be in the page
// cache only, when an earlier sync failed or a process was killed before it: a
// commit that is known to be synced makes all before it durable too.
func (f *files) seal(head ledger.Head) error {
	err := f.store.update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketHead).Put(keyHead, appendHead(nil, head))
	})
	if err != nil {
		return fmt.Errorf("sealing the log: %w", err)
	}
	return f.position.seal(head)
}

// close releases the files and the directory. The writer has ended.
func (f *files) close() error { return errors.Join(f.release(), f.lock.Close()) }

// release lets go of the files. The directory stays locked.
func (f *files) release() error {
	f.handle.Lock()
	defer f.handle.Unlock()
	return f.closeFiles()
}

// Head is the last durable entry.
func (f *files) Head() ledger.Head { return *f.head.Load() }

// Err is nil while the log is sound, and wraps [ledger.ErrIntegrity] once it
// is known not to be.
func (f *files) Err() error {
	if err := f.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// fail remembers an integrity failure for good and returns err.
func (f *files) fail(err error) error {
	if errors.Is(err, ledger.ErrIntegrity) {
		f.failure.CompareAndSwap(nil, &err)
	}
	return err
}

// errClosed answers what comes after Close.
var errClosed = fmt.Errorf("%w: it is closed", ledger.ErrUnavailable)

// view runs fn in a short read transaction.
func (f *files) view(fn func(*bolt.Tx) error) error {
	if err := f.Err(); err != nil {
		return err
	}
	f.handle.RLock()
	defer f.handle.RUnlock()
	if f.store == nil {
		return fmt.Errorf("%w: it is closed, or could not be opened again after a failed sync", ledger.ErrUnavailable)
	}
	return f.fail(f.store.view(fn))
}

// inPlace checks that the files at their paths are the ones that are open: what
// is written to a file that was swapped is gone at the next start.
func (f *files) inPlace() error {
	for name, file := range map[string]*os.File{fileLog: f.store.file, filePosition: f.position.file} {
		held, err := file.Stat()
		if err != nil {
			return err
		}
		found, err := os.Stat(filepath.Join(f.options.Dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err != nil || !os.SameFile(held, found) {
			return damaged("%s was replaced or removed while in use", name)
		}
	}
	return nil
}

// Get returns the record that is known by ref, or [ledger.ErrNotFound].
func (f *files) Get(ctx context.Context, ref revocation.Ref) (r revocation.Record, err error) {
	if err := ctx.Err(); err != nil {
		return r, err
	}
	err = f.view(func(tx *bolt.Tx) error {
		found, err := newLookup(tx).known(ref)
		if err == nil {
			r = found[0].Record
		}
		return err
	})
	return r, err
}
