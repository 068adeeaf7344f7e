package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// A new log is built under temporary names and renamed, position first:
//
//	ledger.db.new, position.new   written and synced
//	position.new -> position      from this step on the new log counts
//	ledger.db.new -> ledger.db
//
// After a crash between the steps, [settle] completes or undoes them: a staged log
// counts exactly if the position is its own.

// Init begins a ledger in an empty directory, for a configuration with on_empty
// refuse. It signs everybody out unless o.OnEmpty is [Start].
func Init(o Options) error {
	lock, err := lockDir(o.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := settle(o.Dir); err != nil {
		return err
	}
	empty, err := isEmpty(o.Dir)
	if err != nil {
		return err
	}
	if !empty {
		return fmt.Errorf("initialising %s: it has a ledger already", o.Dir)
	}
	seen, err := readWitness(o.Witness)
	if o.OnEmpty == Refuse {
		o.OnEmpty = SignOutAll
	}
	_, err = begin(o, seen, err)
	return err
}

// begin creates a ledger if there is none, and reports whether it did.
func begin(o Options, seen ledger.Head, witnessErr error) (begun bool, err error) {
	empty, err := isEmpty(o.Dir)
	switch {
	case err != nil || !empty:
		return false, err
	case o.OnEmpty == Refuse:
		return false, fmt.Errorf("%w: %s is empty; restore it, or run `caddy curfew init`", ledger.ErrUninitialised, o.Dir)
	case witnessErr != nil:
		// The directory had a ledger, and its last epoch is unknown.
		return false, damaged("%s is empty and the witness can't tell what was in it: %w", o.Dir, witnessErr)
	}
	err = installation{dir: o.Dir, epoch: seen.Position.Epoch + 1, succeeds: seen, genesis: o.genesis(time.Time{})}.run()
	return err == nil, err
}

// installation describes a new log and the steps to put it into a directory.
type installation struct {
	dir string
	// epoch is the epoch that begins in the new log, or 0 for a replica.
	epoch uint64
	// succeeds is the head in the witness, so that the next start accepts the new
	// log as its successor.
	succeeds ledger.Head
	// salvage copies the kept entries of an older log; nil copies none.
	salvage func(*logWriter) error
	genesis revocation.Record
	// aside is the suffix under which the replaced files are kept; empty keeps
	// none.
	aside string
}

func (i installation) run() error {
	if i.epoch > revocation.MaxEpoch {
		return fmt.Errorf("beginning a ledger in %s: epoch %d is above %d, the last there is", i.dir, i.epoch, revocation.MaxEpoch)
	}
	for _, step := range i.steps() {
		if err := step(); err != nil {
			return fmt.Errorf("beginning a ledger in %s: %w", i.dir, err)
		}
	}
	return nil
}

// steps returns the steps. Each must be durable before the next one.
func (i installation) steps() []func() error {
	return []func() error{
		i.build,
		func() error { return syncDir(i.dir) },
		i.keepOld,
		func() error { return syncDir(i.dir) },
		func() error { return moveIn(i.dir, filePosition) },
		func() error { return syncDir(i.dir) },
		func() error { return moveIn(i.dir, fileLog) },
		func() error { return syncDir(i.dir) },
	}
}

func (i installation) build() error {
	path := filepath.Join(i.dir, fileLog+staged)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s, err := createStore(path)
	if err != nil {
		return err
	}
	head, err := i.fill(s)
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	return createPosition(filepath.Join(i.dir, filePosition+staged), head)
}

func (i installation) fill(s *store) (head ledger.Head, err error) {
	w := &logWriter{store: s}
	defer w.abort()
	if i.salvage != nil {
		if err := i.salvage(w); err != nil {
			return head, err
		}
	}
	if err := w.begin(); err != nil {
		return head, err
	}
	if i.epoch == 0 {
		return head, errors.Join(w.log.putMark(nil), w.flush())
	}
	if err := w.log.putSucceeds(i.succeeds); err != nil {
		return head, err
	}
	genesis := []revocation.Record{i.genesis}
	payload := revocation.AppendRecords(nil, genesis)
	err = w.add(revocation.Position{Epoch: i.epoch, Sequence: 1}, payload, genesis)
	if err == nil {
		err = w.flush()
	}
	return w.head, err
}

// keepOld gives the files that will be replaced a second name.
func (i installation) keepOld() error {
	if i.aside == "" {
		return nil
	}
	for _, name := range []string{fileLog, filePosition} {
		old := filepath.Join(i.dir, name)
		if err := os.Link(old, old+i.aside); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func moveIn(dir, name string) error {
	path := filepath.Join(dir, name)
	return os.Rename(path+staged, path)
}

// settle completes an installation that was interrupted after its position was in
// place. It removes one that was interrupted before.
func settle(dir string) error {
	log := filepath.Join(dir, fileLog)
	stagedLog, err := exists(log + staged)
	if err != nil {
		return err
	}
	complete, err := counts(dir, stagedLog)
	if err != nil {
		return fmt.Errorf("settling the ledger in %s: %w", dir, err)
	}
	if complete {
		if err := moveIn(dir, fileLog); err != nil {
			return fmt.Errorf("completing the ledger in %s: %w", dir, err)
		}
		return syncDir(dir)
	}
	return clearStaged(dir)
}

// counts reports whether the position is that of the staged log. After an error
// this is unknown.
func counts(dir string, stagedLog bool) (bool, error) {
	if !stagedLog {
		return false, nil
	}
	p, err := readPosition(filepath.Join(dir, filePosition))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, errNoPosition) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s, err := openStore(filepath.Join(dir, fileLog+staged), true)
	if err == nil {
		defer s.close()
		var head ledger.Head
		if head, err = s.head(); err == nil {
			return head == p, nil
		}
	}
	if errors.Is(err, ledger.ErrIntegrity) {
		return false, nil // the staged log was never completed
	}
	return false, err
}

// clearStaged removes the staged files of a log that never counted. It keeps them
// if there is a position without its log, because an operator may need them.
func clearStaged(dir string) error {
	hasLog, err1 := exists(filepath.Join(dir, fileLog))
	hasPosition, err2 := exists(filepath.Join(dir, filePosition))
	if err := errors.Join(err1, err2); err != nil || hasPosition && !hasLog {
		return err
	}
	for _, name := range []string{fileLog, filePosition} {
		if err := os.Remove(filepath.Join(dir, name+staged)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("clearing %s: %w", dir, err)
		}
	}
	return nil
}

// isEmpty reports whether the directory has no file of a ledger.
func isEmpty(dir string) (bool, error) {
	for _, name := range []string{fileLog, filePosition} {
		if found, err := exists(filepath.Join(dir, name)); found || err != nil {
			return false, err
		}
	}
	return true, nil
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// syncDir makes names in a directory durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// logWriter fills a new log in transactions of a bounded size.
type logWriter struct {
	store *store
	tx    *bolt.Tx
	log   *transaction
	head  ledger.Head
	bytes int
}

const writerBytes = 8 << 20

func (w *logWriter) begin() (err error) {
	if w.tx != nil {
		return nil
	}
	if w.tx, err = w.store.db.Begin(true); err == nil {
		w.log = newTransaction(w.tx, w.head, new(ledger.Chainer))
	}
	return err
}

func (w *logWriter) add(p revocation.Position, payload []byte, records []revocation.Record) error {
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.log.put(p, draftOf(payload, records)); err != nil {
		return err
	}
	w.head = w.log.head
	if w.bytes += len(payload); w.bytes > writerBytes {
		return w.flush()
	}
	return nil
}

// flush commits the added entries.
func (w *logWriter) flush() error {
	if w.tx == nil {
		return nil
	}
	if err := w.log.putHead(); err != nil {
		return err
	}
	tx := w.tx
	w.tx, w.bytes = nil, 0
	return tx.Commit()
}

// abort rolls back the open transaction.
func (w *logWriter) abort() {
	if w.tx != nil {
		w.tx.Rollback()
	}
}
