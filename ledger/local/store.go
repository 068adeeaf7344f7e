package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// growth is the step by which the log file grows, in bytes.
const growth = 4 << 20

// lockPatience is how long opening waits for another process that is just ending
// to release the lock.
const lockPatience = 700 * time.Millisecond

// store is an open log file.
type store struct {
	db     *bolt.DB
	file   *os.File
	broken atomic.Bool
}

func (s *store) options(readOnly bool) *bolt.Options {
	return &bolt.Options{
		Timeout:      lockPatience,
		ReadOnly:     readOnly,
		FreelistType: bolt.FreelistArrayType, // sorting a map of millions of records costs each commit milliseconds
		NoStatistics: true,
		OpenFile: func(path string, flag int, mode os.FileMode) (f *os.File, err error) {
			s.file, err = os.OpenFile(path, flag, mode)
			return s.file, err
		},
	}
}

// openStore checks the pages of a log and opens it. With readOnly it changes
// nothing. The error wraps [ledger.ErrIntegrity] if the file is damaged.
func openStore(path string, readOnly bool) (*store, error) {
	if err := checkPages(path); err != nil {
		if errors.Is(err, errPages) || errors.Is(err, os.ErrNotExist) {
			return nil, damaged("%w", err)
		}
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	s := &store{}
	err := guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, s.options(readOnly))
		return err
	})
	switch {
	case err == nil:
		s.db.AllocSize = growth
		return s, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ledger.ErrLocked, path)
	case errors.Is(err, errBroken):
		_ = abandon(s.file)
		return nil, damaged("opening %s: %w", path, err)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, damaged("opening %s: %w", path, err)
	}
	return nil, fmt.Errorf("opening %s: %w", path, err)
}

// createStore makes an empty log at path.
func createStore(path string) (*store, error) {
	s := &store{}
	db, err := bolt.Open(path, 0o600, s.options(false))
	if err != nil {
		return nil, fmt.Errorf("creating the log: %w", err)
	}
	db.AllocSize = growth
	s.db = db
	err = s.update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("creating the log: %w", err), s.close())
	}
	return s, nil
}

// view runs fn in a read transaction. Transactions must be short: the file can't
// grow while one is open, because bbolt can't map it anew.
func (s *store) view(fn func(*bolt.Tx) error) error {
	return s.guarded(func() error { return s.db.View(fn) })
}

// update runs fn in a write transaction and makes it durable.
func (s *store) update(fn func(*bolt.Tx) error) error {
	return s.guarded(func() error { return s.db.Update(fn) })
}

// guarded runs fn and marks the handle as broken if bbolt panicked or faulted. A
// broken handle must not be used or closed again, because it may hold its own
// locks.
func (s *store) guarded(fn func() error) error {
	err := guard(fn)
	if errors.Is(err, errBroken) {
		s.broken.Store(true)
		return damaged("%w", err)
	}
	return err
}

func (s *store) close() error {
	if s.broken.Load() {
		return abandon(s.file)
	}
	return s.db.Close()
}

// head returns the end of the log. The stored head and the last entry must agree.
func (s *store) head() (h ledger.Head, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				return damaged("the bucket %s is missing", name)
			}
		}
		h, err = headOf(tx.Bucket(bucketHead).Get(keyHead))
		if err != nil {
			return damaged("%w", err)
		}
		k, v := tx.Bucket(bucketLog).Cursor().Last()
		if k == nil && h == (ledger.Head{}) && ofReplica(tx) {
			return nil // a replica begins empty
		}
		if !bytes.Equal(k, appendPosition(nil, h.Position)) || !bytes.HasPrefix(v, h.Chain[:]) {
			return damaged("the head says the last entry is %s, and it isn't", h.Position)
		}
		return nil
	})
	return h, err
}

// has reports whether h was once the head of this log.
func (s *store) has(h ledger.Head) (ok bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		if h == (ledger.Head{}) && ofReplica(tx) {
			ok = true // a replica begins empty
			return nil
		}
		ok = bytes.HasPrefix(tx.Bucket(bucketLog).Get(appendPosition(nil, h.Position)), h.Chain[:])
		return nil
	})
	return ok, err
}

// contains checks that the log has a head that was seen before. The argument who
// names the observer in the error, which wraps [ledger.ErrIntegrity].
func (s *store) contains(seen ledger.Head, who string) error {
	head, err := s.head()
	if err != nil {
		return err
	}
	if head.Position.Compare(seen.Position) < 0 {
		return damaged("the log ends at %s, but %s says it reached %s", head.Position, who, seen.Position)
	}
	ok, err := s.has(seen)
	if err == nil && !ok {
		err = damaged("the entry at %s is not the one that %s saw: this is another ledger", seen.Position, who)
	}
	return err
}

// ofReplica reports whether the log is a node's replica of a shared ledger.
func ofReplica(tx *bolt.Tx) bool { return tx.Bucket(bucketHead).Get(keyMark) != nil }

// isReplica checks that the log is a replica if want is set, and the ledger of a
// single gateway otherwise.
func (s *store) isReplica(want bool) error {
	return s.view(func(tx *bolt.Tx) error {
		if tx.Bucket(bucketHead) == nil {
			return nil // head returns the error for this
		}
		switch is := ofReplica(tx); {
		case is && !want:
			return fmt.Errorf("opening %s: it is a node's replica of a shared ledger; give the ledger of a single gateway a directory of its own", s.file.Name())
		case want && !is:
			return fmt.Errorf("opening %s: it is the ledger of a single gateway; give the replica of a shared one a directory of its own", s.file.Name())
		}
		return nil
	})
}

// mark returns the mark of a replica's last commit.
func (s *store) mark() (mark []byte, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketHead).Get(keyMark)
		if len(v) == 0 || v[0] != formatVersion {
			return damaged("the mark can't be read: %w", revocation.ErrNewer)
		}
		if len(v) > 1 {
			mark = bytes.Clone(v[1:])
		}
		return nil
	})
	return mark, err
}

// succeeds returns the head of the ledger that this one knowingly replaced, or
// zero.
func (s *store) succeeds() (h ledger.Head, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketHead).Get(keySucceeds)
		if v == nil {
			return nil
		}
		if h, err = headOf(v); err != nil {
			return damaged("%w", err)
		}
		return nil
	})
	return h, err
}

// acceptable checks the log against the head that this machine has seen. The log
// must contain that head, or have been begun to replace its ledger.
func (s *store) acceptable(seen ledger.Head) error {
	if seen == (ledger.Head{}) {
		return nil
	}
	replaced, err := s.succeeds()
	if err != nil || replaced == seen {
		return err
	}
	return s.contains(seen, "this machine")
}

// reaching returns [store.acceptable] as a check of a log.
func reaching(seen ledger.Head) func(*store) error {
	return func(s *store) error { return s.acceptable(seen) }
}

// entry is an entry of the log: its position, the chain up to and including it,
// and its encoded records.
type entry struct {
	ledger.Head
	payload []byte
}

func entryOf(k, v []byte) (entry, error) {
	if len(k) != sizePosition || len(v) <= sizeChain {
		return entry{}, damaged("an entry has %d bytes of key and %d of value", len(k), len(v))
	}
	return entry{ledger.Head{Position: positionOf(k), Chain: [sizeChain]byte(v)}, v[sizeChain:]}, nil
}

// verify checks that e comes after prev. A zero prev is the beginning of the log.
// A replica may begin at any position, so only the chain proves a beginning.
func (e entry) verify(prev ledger.Head, c *ledger.Chainer) error {
	if prev != (ledger.Head{}) && !follows(prev.Position, e.Position) {
		return damaged("gap in the log: %s comes after %s", e.Position, prev.Position)
	}
	if c.Next(prev.Chain, e.Position, e.payload) != e.Chain {
		return damaged("broken chain in the log at %s", e.Position)
	}
	return nil
}

func (e entry) records() ([]revocation.Record, error) {
	records, err := revocation.DecodeRecords(e.payload)
	if err != nil {
		return nil, damaged("entry %s: %w", e.Position, err)
	}
	return records, nil
}
