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

// files has the open log and position of a ledger or a replica. It has one writer
// and many readers.
type files struct {
	options Options
	replica bool // the files must be a replica's
	lock    *os.File

	// handle guards store. The writer reopens the store after a failed sync. It is
	// nil while it can't be opened, and after Close.
	handle sync.RWMutex
	store  *store

	// The fields below are only for the writer.
	position *position
	chain    ledger.Chainer
	suspect  error // why the files must be reopened before the next commit

	head    atomic.Pointer[ledger.Head]
	failure atomic.Pointer[error]
}

// start opens the files, which must pass the check.
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

// openFiles opens log and position. It checks that the log contains the position,
// and runs the caller's check.
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

// seal writes the head again to both files. After a failed sync or a killed
// process, the contents that were read may be in the page cache only. A commit
// that is known to be synced makes everything before it durable too.
func (f *files) seal(head ledger.Head) error {
	err := f.store.update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketHead).Put(keyHead, appendHead(nil, head))
	})
	if err != nil {
		return fmt.Errorf("sealing the log: %w", err)
	}
	return f.position.seal(head)
}

// close releases the files and the directory. The writer must have ended.
func (f *files) close() error { return errors.Join(f.release(), f.lock.Close()) }

// release closes the files. The directory stays locked.
func (f *files) release() error {
	f.handle.Lock()
	defer f.handle.Unlock()
	return f.closeFiles()
}

// Head returns the last durable entry.
func (f *files) Head() ledger.Head { return *f.head.Load() }

// Err returns nil while the log is sound. After damage was found, the error wraps
// [ledger.ErrIntegrity].
func (f *files) Err() error {
	if err := f.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// fail records an integrity failure for good and returns err.
func (f *files) fail(err error) error {
	if errors.Is(err, ledger.ErrIntegrity) {
		f.failure.CompareAndSwap(nil, &err)
	}
	return err
}

// errClosed is the error of every call after Close.
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

// inPlace checks that the files at their paths are the open ones. Entries that are
// written to a swapped file would be gone at the next start.
func (f *files) inPlace() error {
	for _, open := range [...]struct {
		name string
		file *os.File
	}{{fileLog, f.store.file}, {filePosition, f.position.file}} {
		name := open.name
		held, err := open.file.Stat()
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

// Get returns the record with a ref, or [ledger.ErrNotFound].
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
