package local

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// origins finds restated records by their first ref. It has a record only if the
// log has no record, or a different one, at that ref. A record that was restated
// ten times is therefore found once.
type origins struct{ tx *bolt.Tx }

// restatement names the present ref of a record that was first written under
// another ref.
type restatement struct{ origin, at revocation.Ref }

const sizeRestatement = 2 * sizeRef

// of returns the restatements of a ref, or of all refs of a position, oldest first.
func (o origins) of(prefix []byte) (found []restatement) {
	b := o.tx.Bucket(bucketOrigins)
	if b == nil {
		return nil
	}
	c := b.Cursor()
	for k, _ := c.Seek(prefix); len(k) == sizeRestatement && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		found = append(found, restatement{refOf(k), refOf(k[sizeRef:])})
	}
	return found
}

// before returns the newest position below p that has restatements.
func (o origins) before(p revocation.Position) (revocation.Position, bool) {
	b := o.tx.Bucket(bucketOrigins)
	if b == nil {
		return revocation.Position{}, false
	}
	k, _ := stepBack(b.Cursor(), appendPosition(nil, p))
	if len(k) != sizeRestatement {
		return revocation.Position{}, false
	}
	return positionOf(k), true
}

// restate stores that the record at a ref was first written under its Origin. It
// stores nothing if the record can already be found there.
func (t *transaction) restate(r revocation.Record, at revocation.Ref) error {
	known, err := t.lookup.known(r.Origin)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	for _, k := range known {
		if k.Record.Origin = r.Origin; reflect.DeepEqual(k.Record, r) {
			return nil
		}
	}
	b, err := t.tx.CreateBucketIfNotExists(bucketOrigins)
	if err == nil {
		err = b.Put(appendRef(appendRef(nil, r.Origin), at), nil)
	}
	if err != nil {
		return fmt.Errorf("writing the origin of %s: %w", at, err)
	}
	return nil
}
