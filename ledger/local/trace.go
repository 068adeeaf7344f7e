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

// identity tells a ledger from all others, wherever it lies: the chain at its
// first entry, which its copies share and which adopting keeps. Zero is none.
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

// trace is what this machine remembers of a ledger by its identity: how far any
// copy of it had come. It is locked while one is open, because two that go on
// are two ledgers. The zero trace remembers nothing.
type trace struct {
	path string // of its witness
	lock *os.File
	seen ledger.Head
	err  error // why it may not know
}

// tracePath is where a ledger has its trace: beside the witness of its path.
func tracePath(witness string, id identity) string {
	if witness == "" || id == (identity{}) {
		return ""
	}
	return filepath.Join(filepath.Dir(witness), "ledger-"+hex.EncodeToString(id[:16]), filePosition)
}

// openTrace locks and reads the trace of a ledger. Only [ledger.ErrLocked] is
// an error: as with a witness, failing to remember stops nothing.
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

// forget removes it, with the ledger that it is of.
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
