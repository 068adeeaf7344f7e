package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// fileDocuments is the file of the documents in the directory of a ledger.
const fileDocuments = "documents.db"

// The buckets of documents.db.
var (
	bucketAbout    = []byte("about")    // keyFormat -> version; name of a bucket -> its bytes; the sequence of about is the last revision
	bucketActivity = []byte("activity") // key of a list, 0, sequence -> Unix milliseconds, item
	bucketOrder    = []byte("order")    // sequence -> key of its list

	keyFormat = []byte("format")
)

// bucketOf returns the bucket of a collection: key -> revision, value.
func bucketOf(c ledger.Collection) []byte { return []byte(c.String()) }

const (
	documentsFormat = 1
	sizeSequence    = 8
)

// documents has the documents of a [Ledger]. They are in a file of their own,
// because a damaged or lost file must not keep the log from being opened. The first
// use opens or creates the file. It is opened again after a write with an unknown
// outcome.
type documents struct {
	dir  string
	log  *slog.Logger
	now  func() time.Time
	most int64 // limit of a collection, in bytes

	// turn is held during a write and during a change of store.
	turn   chan struct{}
	closed bool // guarded by turn

	handle sync.RWMutex // guards store; the holder of turn may read it without
	store  *store
}

var _ ledger.Documents = (*documents)(nil)

func newDocuments(o Options) *documents {
	d := &documents{dir: o.Dir, log: o.Log, now: o.now, most: o.DocumentBytes, turn: make(chan struct{}, 1)}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.most == 0 {
		d.most = ledger.MaxCollection
	}
	return d
}

// Documents returns the documents of the ledger. See [ledger.DocumentKeeper].
func (l *Ledger) Documents(context.Context) (ledger.Documents, error) { return l.documents, nil }

func (d *documents) path() string { return filepath.Join(d.dir, fileDocuments) }

// enter waits for turn.
func (d *documents) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for another writer: %w", ledger.ErrUnavailable, ctx.Err())
	}
}

func (d *documents) leave() { <-d.turn }

// opened returns the open file. The caller must hold turn.
func (d *documents) opened() (*store, error) {
	if d.closed {
		return nil, errClosed
	}
	if d.store != nil {
		return d.store, nil
	}
	s, err := d.open()
	if errors.Is(err, ledger.ErrIntegrity) || errors.Is(err, fs.ErrPermission) {
		if err = d.setAside(err); err == nil {
			s, err = d.open()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: opening the documents: %v", ledger.ErrUnavailable, err)
	}
	d.handle.Lock()
	defer d.handle.Unlock()
	d.store = s
	return s, nil
}

func (d *documents) open() (*store, error) {
	found, err := exists(d.path())
	if err == nil && !found {
		err = d.create()
	}
	if err != nil {
		return nil, err
	}
	s, err := openStore(d.path(), false)
	if err != nil {
		return nil, err
	}
	if err := s.update(d.begin); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// checkDocuments checks a file that is not open, without changing it.
func checkDocuments(dir string) error {
	path := filepath.Join(dir, fileDocuments)
	if found, err := exists(path); err != nil || !found {
		return err
	}
	return checkPages(path)
}

// create creates an empty file under a temporary name and renames it when it is
// complete.
func (d *documents) create() error {
	path := d.path() + staged
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s := &store{}
	db, err := bolt.Open(path, 0o600, s.options(false))
	if err != nil {
		return err
	}
	s.db = db
	err = s.update(func(tx *bolt.Tx) error {
		for _, name := range documentBuckets() {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketAbout).Put(keyFormat, []byte{documentsFormat})
	})
	if err := errors.Join(err, s.close(), syncDir(d.dir)); err != nil {
		return err
	}
	return errors.Join(moveIn(d.dir, fileDocuments), syncDir(d.dir))
}

func documentBuckets() [][]byte {
	all := [][]byte{bucketAbout, bucketActivity, bucketOrder}
	for _, c := range ledger.Collections {
		all = append(all, bucketOf(c))
	}
	return all
}

// begin checks a file that was opened. It raises the next revision to the clock, so
// that it is greater than any that a newer or lost copy of the file has assigned.
func (d *documents) begin(tx *bolt.Tx) error {
	for _, name := range documentBuckets() {
		if tx.Bucket(name) == nil {
			return damaged("the bucket %s is missing", name)
		}
	}
	about := tx.Bucket(bucketAbout)
	if format := about.Get(keyFormat); !bytes.Equal(format, []byte{documentsFormat}) {
		return fmt.Errorf("%s has format %x, and this build reads %d: %w", d.path(), format, documentsFormat, revocation.ErrNewer)
	}
	return about.SetSequence(max(about.Sequence(), uint64(d.now().UnixMilli())))
}

// setAside renames an unreadable file, so that a new one can begin. Losing the
// documents must not stop the gateway, because the log does not need them.
func (d *documents) setAside(why error) error {
	aside := d.path() + asideSuffix(d.now())
	if err := errors.Join(os.Rename(d.path(), aside), syncDir(d.dir)); err != nil {
		return err
	}
	d.log.Error("the file of the documents can't be read: it is set aside, and a new one begins; restore a copy while the gateway is stopped, if there is one; the ledger is not affected",
		"file", d.path(), "kept", aside, "error", why)
	return nil
}

// drop closes a file in an unknown state. The next use opens it again. The caller
// must hold turn.
func (d *documents) drop() error {
	d.handle.Lock()
	defer d.handle.Unlock()
	s := d.store
	d.store = nil
	if s == nil {
		return nil
	}
	return s.close()
}

// close waits for the writer and releases the file.
func (d *documents) close() error {
	d.turn <- struct{}{}
	defer d.leave()
	d.closed = true
	return d.drop()
}

// view runs fn in a short read transaction.
func (d *documents) view(ctx context.Context, fn func(*bolt.Tx) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if done, err := d.tryView(fn); done {
			if errors.Is(err, ledger.ErrIntegrity) {
				return d.broken(ctx, err)
			}
			return err
		}
		if err := d.enter(ctx); err != nil {
			return err
		}
		_, err := d.opened()
		d.leave()
		if err != nil {
			return err
		}
	}
}

// tryView returns false if no file is open.
func (d *documents) tryView(fn func(*bolt.Tx) error) (bool, error) {
	d.handle.RLock()
	defer d.handle.RUnlock()
	if d.store == nil {
		return false, nil
	}
	return true, d.store.view(fn)
}

// broken sets a file aside after damage was found in reading it.
func (d *documents) broken(ctx context.Context, why error) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.leave()
	return d.replace(why)
}

// replace does the same for a caller that holds turn. Its error does not wrap
// [ledger.ErrIntegrity], because the log is not damaged.
func (d *documents) replace(why error) error {
	if d.store != nil && d.store.broken.Load() {
		_ = d.drop() // its error repeats the one that led here
		if err := d.setAside(why); err != nil {
			why = err
		}
	}
	return fmt.Errorf("%w: the file of the documents is damaged: %v", ledger.ErrUnavailable, why)
}

// update runs fn in a write transaction and makes it durable. It returns an error
// of fn unchanged.
func (d *documents) update(ctx context.Context, fn func(*bolt.Tx) error) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.leave()
	s, err := d.opened()
	if err != nil {
		return err
	}
	var refused error
	err = s.update(func(tx *bolt.Tx) error {
		refused = fn(tx)
		return refused
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ledger.ErrIntegrity):
		return d.replace(err)
	case refused != nil:
		return refused
	case outOfSpace(err):
		return fmt.Errorf("%w: writing the documents: %w", ledger.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: writing the documents: %w", ledger.ErrOutcomeUnknown, errors.Join(err, d.drop()))
}

// Load returns a document. See [ledger.Documents].
func (d *documents) Load(ctx context.Context, c ledger.Collection, key ledger.Key) (found ledger.Document, err error) {
	if err := key.Validate(); err != nil {
		return found, err
	}
	err = d.view(ctx, func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketOf(c)).Get([]byte(key))
		if v == nil {
			return fmt.Errorf("%w: no such document", ledger.ErrNotFound)
		}
		found, err = documentOf(key, v)
		return err
	})
	return found, err
}

func documentOf(key ledger.Key, v []byte) (ledger.Document, error) {
	if len(v) < sizeSequence {
		return ledger.Document{}, fmt.Errorf("%w: a document has %d bytes", ledger.ErrUnavailable, len(v))
	}
	return ledger.Document{Key: key, Revision: binary.BigEndian.Uint64(v), Value: bytes.Clone(v[sizeSequence:])}, nil
}

// Store writes a document. See [ledger.Documents].
func (d *documents) Store(ctx context.Context, c ledger.Collection, key ledger.Key, value []byte, expected uint64) (revision uint64, err error) {
	if err := ledger.CheckDocument(key, value); err != nil {
		return 0, err
	}
	err = d.update(ctx, func(tx *bolt.Tx) error {
		in := tx.Bucket(bucketOf(c))
		old := in.Get([]byte(key))
		if err := conflict(old, expected); err != nil {
			return err
		}
		if revision, err = tx.Bucket(bucketAbout).NextSequence(); err != nil {
			return err
		}
		grown := int64(sizeSequence + len(value) - len(old))
		if old == nil {
			grown += int64(len(key))
		}
		used, err := count(tx, bucketOf(c), grown)
		if err != nil {
			return err
		}
		if grown > 0 && used > d.most {
			return fmt.Errorf("%w: the %s have %d bytes, the most that they may", ledger.ErrUnavailable, c, d.most)
		}
		return in.Put([]byte(key), append(binary.BigEndian.AppendUint64(nil, revision), value...))
	})
	if err != nil {
		return 0, err
	}
	return revision, nil
}

// conflict compares the revision of a document with the expected one.
func conflict(v []byte, expected uint64) error {
	var is uint64
	if len(v) >= sizeSequence {
		is = binary.BigEndian.Uint64(v)
	}
	if is != expected {
		return fmt.Errorf("%w: it is at %d, expected %d", ledger.ErrConflict, is, expected)
	}
	return nil
}

// count adds to the stored size of a bucket, in bytes, and returns the new size.
func count(tx *bolt.Tx, bucket []byte, grown int64) (used int64, err error) {
	about := tx.Bucket(bucketAbout)
	if v := about.Get(bucket); len(v) == 8 {
		used = int64(binary.BigEndian.Uint64(v))
	}
	used += grown
	return used, about.Put(bucket, binary.BigEndian.AppendUint64(nil, uint64(used)))
}

// Delete removes a document. See [ledger.Documents].
func (d *documents) Delete(ctx context.Context, c ledger.Collection, key ledger.Key, expected uint64) error {
	if err := key.Validate(); err != nil {
		return err
	}
	return d.update(ctx, func(tx *bolt.Tx) error {
		in := tx.Bucket(bucketOf(c))
		old := in.Get([]byte(key))
		if old == nil {
			return fmt.Errorf("%w: it does not exist", ledger.ErrConflict)
		}
		if err := conflict(old, expected); err != nil {
			return err
		}
		if _, err := count(tx, bucketOf(c), -int64(len(key)+len(old))); err != nil {
			return err
		}
		return in.Delete([]byte(key))
	})
}

// listChunk is the number of documents that one transaction reads. Transactions are
// short because the file can't grow while one is open.
const listChunk = 64

// List calls yield for documents. See [ledger.Documents].
func (d *documents) List(ctx context.Context, c ledger.Collection, below ledger.Key, yield func(ledger.Document) error) error {
	var prefix []byte
	if below != "" {
		if err := below.Validate(); err != nil {
			return err
		}
		prefix = []byte(below + ".")
	}
	for after := prefix; ; {
		chunk := make([]ledger.Document, 0, listChunk)
		err := d.view(ctx, func(tx *bolt.Tx) error {
			cursor := tx.Bucket(bucketOf(c)).Cursor()
			k, v := cursor.Seek(after)
			for ; k != nil && bytes.HasPrefix(k, prefix) && len(chunk) < listChunk; k, v = cursor.Next() {
				found, err := documentOf(ledger.Key(k), v)
				if err != nil {
					return err
				}
				chunk = append(chunk, found)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, found := range chunk {
			if err := yield(found); err != nil {
				return err
			}
		}
		if len(chunk) < listChunk {
			return nil
		}
		after = append([]byte(chunk[listChunk-1].Key), 0)
	}
}
