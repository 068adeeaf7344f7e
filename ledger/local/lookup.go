package local

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// lookup finds single entries of the log and verifies each against the one
// before it.
type lookup struct {
	cursor  *bolt.Cursor
	chain   ledger.Chainer
	origins origins
	last    revocation.Entry // the last decoded entry, because the next lookup often needs it
}

func newLookup(tx *bolt.Tx) *lookup {
	return &lookup{cursor: tx.Bucket(bucketLog).Cursor(), origins: origins{tx}}
}

// entry returns the entry at p, or [ledger.ErrNotFound].
func (l *lookup) entry(p revocation.Position) (entry, error) {
	key := appendPosition(nil, p)
	k, v := l.cursor.Seek(key)
	if !bytes.Equal(k, key) {
		return entry{}, fmt.Errorf("%w: no entry %s", ledger.ErrNotFound, p)
	}
	return l.verified(k, v)
}

// before returns the last position below p that has an entry, or that is the
// origin of a restated record.
func (l *lookup) before(p revocation.Position) (found revocation.Position, ok bool, err error) {
	found, ok = l.origins.before(p)
	k, _ := stepBack(l.cursor, appendPosition(nil, p))
	switch {
	case k == nil:
		return found, ok, nil
	case len(k) != sizePosition:
		return found, false, damaged("an entry has %d bytes of key", len(k))
	}
	if q := positionOf(k); !ok || q.Compare(found) > 0 {
		found = q
	}
	return found, true, nil
}

// stepBack moves a cursor to the last key below one.
func stepBack(c *bolt.Cursor, key []byte) (k, v []byte) {
	if k, _ = c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// verified reads the entry under the cursor and leaves the cursor on the entry
// before it.
func (l *lookup) verified(k, v []byte) (entry, error) {
	e, err := entryOf(k, v)
	if err != nil {
		return entry{}, err
	}
	k, v = l.cursor.Prev()
	if k == nil {
		return e, e.verify(ledger.Head{}, &l.chain)
	}
	prev, err := entryOf(k, v)
	if err != nil {
		return entry{}, err
	}
	return e, e.verify(prev.Head, &l.chain)
}

// known returns the records with a ref, or [ledger.ErrNotFound]. There is more than
// one only if the ledger lost its tail, used the ref again, and both records were
// restated.
func (l *lookup) known(ref revocation.Ref) ([]ledger.Located, error) {
	var known []ledger.Located
	r, err := l.at(ref)
	switch {
	case err == nil && r.Origin.IsZero():
		known = append(known, ledger.Located{Ref: ref, Record: r})
	case err != nil && !errors.Is(err, ledger.ErrNotFound):
		return nil, err
	}
	known, err = l.appendRestated(known, l.origins.of(appendRef(nil, ref)))
	if err == nil && len(known) == 0 {
		err = fmt.Errorf("%w: nothing is known by %s", ledger.ErrNotFound, ref)
	}
	return known, err
}

// knownAt returns the records with the refs of a position, oldest first.
func (l *lookup) knownAt(p revocation.Position) ([]ledger.Located, error) {
	records, err := l.records(p)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	known := make([]ledger.Located, 0, len(records))
	for i, r := range records {
		if r.Origin.IsZero() {
			known = append(known, ledger.Located{Ref: revocation.Ref{Position: p, Item: uint16(i)}, Record: r})
		}
	}
	restated := l.origins.of(appendPosition(nil, p))
	if len(restated) == 0 {
		return known, nil
	}
	known, err = l.appendRestated(known, restated)
	slices.SortStableFunc(known, func(a, b ledger.Located) int { return a.Ref.Compare(b.Ref) })
	return known, err
}

func (l *lookup) appendRestated(known []ledger.Located, found []restatement) ([]ledger.Located, error) {
	for _, f := range found {
		r, err := l.at(f.at)
		if err != nil {
			return nil, damaged("what is restated of %s: %w", f.origin, err)
		}
		known = append(known, ledger.Located{Ref: f.origin, Record: r})
	}
	return known, nil
}

// at returns the record that the log has at a ref, or [ledger.ErrNotFound].
func (l *lookup) at(ref revocation.Ref) (revocation.Record, error) {
	records, err := l.records(ref.Position)
	if err == nil && int(ref.Item) >= len(records) {
		err = fmt.Errorf("%w: entry %s has %d records", ledger.ErrNotFound, ref.Position, len(records))
	}
	if err != nil {
		return revocation.Record{}, err
	}
	return records[ref.Item], nil
}

// records returns the records of the entry at p, or [ledger.ErrNotFound].
func (l *lookup) records(p revocation.Position) ([]revocation.Record, error) {
	if p == l.last.Position && l.last.Records != nil {
		return l.last.Records, nil
	}
	e, err := l.entry(p)
	if err != nil {
		return nil, err
	}
	records, err := e.records()
	if err == nil {
		l.last = revocation.Entry{Position: p, Records: records}
	}
	return records, err
}

// newest is above every ref.
var newest = revocation.Ref{
	Position: revocation.Position{Epoch: math.MaxUint64, Sequence: math.MaxUint64},
	Item:     math.MaxUint16,
}
