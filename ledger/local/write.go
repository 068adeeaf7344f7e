package local

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
)

// errUnchanged ends a transaction in which there was nothing to write.
var errUnchanged = errors.New("nothing to write")

// write makes durable what fn adds, and then moves the head. Nothing is half
// done: after an error the head is where it was, and the next write begins with
// [files.revive].
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

// commitFailed says what became of a transaction that failed: it is unknown
// only when its meta page was written, which bbolt does last, and not synced.
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
func (f *files) revive() error {
	if err := f.Err(); err != nil {
		return err
	}
	if f.suspect == nil {
		return nil
	}
	f.handle.Lock()
	defer f.handle.Unlock()
	f.closeFiles() // its errors are those that led here
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
