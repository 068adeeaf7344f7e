package local

import (
	"bytes"
	"context"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// The bounds of one read transaction. Transactions are short and end before yield
// is called, so that a slow reader doesn't delay the appender.
const (
	chunkEntries = 512
	chunkBytes   = 1 << 20
)

// Read verifies every entry after a position and calls yield for it, oldest first.
// See [ledger.Ledger]. It fails with [ledger.ErrNotFound] if the position isn't in
// the log.
func (f *files) Read(ctx context.Context, after revocation.Position, yield func(revocation.Entry) error) error {
	r := reader{until: f.Head().Position}
	if after != (revocation.Position{}) {
		if err := f.view(func(tx *bolt.Tx) error { return r.start(tx, after) }); err != nil {
			return err
		}
	}
	return f.ahead(ctx, &r, func(entries []revocation.Entry) error {
		for _, e := range entries {
			if err := yield(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// chunksAhead is how many chunks are read before they are needed.
const chunksAhead = 2

// ahead reads chunks in a goroutine of its own and yields them in order. One core
// can then verify entries while another one applies them.
func (f *files) ahead(ctx context.Context, r *reader, yield func([]revocation.Entry) error) error {
	ctx, cancel := context.WithCancel(ctx)
	chunks := make(chan []revocation.Entry, chunksAhead)
	done := make(chan error, 1)
	go func() {
		defer close(chunks)
		done <- f.chunks(ctx, r, chunks)
	}()
	defer func() {
		cancel()
		for range chunks { // wait until the goroutine has ended
		}
	}()
	for entries := range chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := yield(entries); err != nil {
			return err
		}
	}
	return <-done
}

// chunks sends the chunks that r reads.
func (f *files) chunks(ctx context.Context, r *reader, to chan<- []revocation.Entry) error {
	for r.last.Position.Compare(r.until) < 0 {
		if err := f.view(r.chunk); err != nil {
			return err
		}
		select {
		case to <- r.entries:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// reader reads the log in order.
type reader struct {
	until   revocation.Position
	last    ledger.Head // the last verified entry
	chain   ledger.Chainer
	entries []revocation.Entry
}

func (r *reader) start(tx *bolt.Tx, after revocation.Position) error {
	e, err := newLookup(tx).entry(after)
	r.last = e.Head
	return err
}

// chunk reads the next entries.
func (r *reader) chunk(tx *bolt.Tx) error {
	r.entries = make([]revocation.Entry, 0, chunkEntries)
	c := tx.Bucket(bucketLog).Cursor()
	k, v, err := r.resume(c)
	for size := 0; err == nil && len(r.entries) < chunkEntries && size < chunkBytes; k, v = c.Next() {
		if k == nil {
			return damaged("the log ends at %s and should reach %s", r.last.Position, r.until)
		}
		if err = r.take(k, v); r.last.Position == r.until {
			break
		}
		size += len(v)
	}
	return err
}

// resume puts the cursor on the first entry that was not read.
func (r *reader) resume(c *bolt.Cursor) (k, v []byte, err error) {
	if r.last == (ledger.Head{}) {
		k, v = c.First()
		return k, v, nil
	}
	key := appendPosition(nil, r.last.Position)
	if k, v = c.Seek(key); !bytes.Equal(k, key) || !bytes.HasPrefix(v, r.last.Chain[:]) {
		return nil, nil, damaged("entry %s changed while it was read", r.last.Position)
	}
	k, v = c.Next()
	return k, v, nil
}

func (r *reader) take(k, v []byte) error {
	e, err := entryOf(k, v)
	if err != nil {
		return err
	}
	if err := e.verify(r.last, &r.chain); err != nil {
		return err
	}
	records, err := e.records()
	if err != nil {
		return err
	}
	r.last = e.Head
	r.entries = append(r.entries, revocation.Entry{Position: e.Position, Records: records})
	return nil
}
