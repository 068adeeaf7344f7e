package local

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
)

// identity tells a ledger from all others in any directory. It is the chain at the
// ledger's first entry. Copies of a ledger share it, and adopting keeps it. Zero is
// none.
type identity [sizeChain]byte

func (s *store) identity() (id identity, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		k, v := tx.Bucket(bucketLog).Cursor().First()
		e, err := entryOf(k, v)
		id = e.Chain
		return err
	})
	return id, err
}

// trace is the newest head that this machine has seen of any copy of a ledger,
// stored by the ledger's identity. It is locked while one copy is open, because two
// copies with new entries would be two ledgers. The zero trace stores nothing.
type trace struct {
	path string // of its file
	lock *os.File
	seen ledger.Head
	err  error // why the head could not be read or locked
}

// tracePath returns the path of a ledger's trace, in the directory of the witness.
func tracePath(witness string, id identity) string {
	if witness == "" || id == (identity{}) {
		return ""
	}
	return filepath.Join(filepath.Dir(witness), "ledger-"+hex.EncodeToString(id[:16]), filePosition)
}

// openTrace locks and reads the trace of a ledger. It returns [ledger.ErrLocked]
// only. Any other error is kept in the trace, because a trace that can't be read
// must not stop the ledger.
func openTrace(witness string, id identity) (t trace, err error) {
	if t.path = tracePath(witness, id); t.path == "" {
		return trace{}, nil
	}
	if t.lock, t.err = lockTrace(filepath.Dir(t.path)); errors.Is(t.err, ledger.ErrLocked) {
		return trace{}, fmt.Errorf("%w: a copy of it is open from another directory, and only one may go on: stop that one first", ledger.ErrLocked)
	}
	if t.err == nil {
		t.seen, t.err = readWitness(t.path)
	}
	return t, nil
}

func lockTrace(dir string) (*os.File, error) {
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = syncDir(filepath.Dir(dir))
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("making the directory of the witness: %w", err)
	}
	return lockDir(dir)
}

// forget removes the trace of a ledger that is removed.
func (t trace) forget() error {
	if t.path == "" {
		return nil
	}
	return os.RemoveAll(filepath.Dir(t.path))
}

func (t trace) close() error {
	if t.lock == nil {
		return nil
	}
	return t.lock.Close()
}
