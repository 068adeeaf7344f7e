package local

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
)

// errUnchanged ends a transaction that has nothing to write.
var errUnchanged = errors.New("nothing to write")

// write makes the entries that fn adds durable, and then moves the head. After an
// error the head is unchanged, and the next write must call [files.revive] first.
func (f *files) write(fn func(*transaction) error) error {
	before := f.Head()
	head := before
	err := f.store.update(func(tx *bolt.Tx) error {
		t := newTransaction(tx, before, &f.chain)
		if err := fn(t); err != nil {
			return err
		}
		head = t.head
		return t.putHead()
	})
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case err != nil:
		return f.commitFailed(err, head)
	case head == before:
		return nil
	}
	if err := f.position.write(head); err != nil {
		f.suspect = err
		return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
	}
	if err := f.inPlace(); err != nil {
		f.suspect = err
		return f.fail(fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err))
	}
	f.head.Store(&head)
	return nil
}

// commitFailed returns the outcome of a transaction that failed. The outcome is
// unknown only if the meta page was written and not synced, because bbolt writes
// the meta page last.
func (f *files) commitFailed(err error, head ledger.Head) error {
	if errors.Is(err, ledger.ErrIntegrity) {
		return f.fail(err)
	}
	if !outOfSpace(err) {
		f.suspect = err
	}
	written, readErr := f.store.has(head)
	if written || readErr != nil {
		f.suspect = err
		return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
	}
	return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
}

// outOfSpace reports whether a write, and not a sync, found no space. The file is
// then unchanged, and the next append may succeed.
func outOfSpace(err error) bool {
	var failed *os.PathError
	return errors.As(err, &failed) && failed.Op == "write" &&
		(errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}

// revive reopens the files after a failure that leaves the contents of the disk
// unknown. It verifies them against the acknowledged head and seals them. Nothing
// is acknowledged until that has succeeded.
func (f *files) revive() error {
	if err := f.Err(); err != nil {
		return err
	}
	if f.suspect == nil {
		return nil
	}
	f.handle.Lock()
	defer f.handle.Unlock()
	f.closeFiles() // its errors repeat the failure that led here
	head, err := f.openFiles(reaching(f.Head()))
	if err == nil {
		err = f.seal(head)
	}
	if errors.Is(err, ledger.ErrIntegrity) {
		return f.fail(err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w (after: %w)", ledger.ErrUnavailable, err, f.suspect)
	}
	f.suspect = nil
	f.head.Store(&head)
	return nil
}
