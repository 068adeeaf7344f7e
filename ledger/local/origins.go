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

// origins finds restated records by the ref they first had. It knows of those
// only that are not in the log under it, or differ from what is: a record that
// was restated ten times is one record.
type origins struct{ tx *bolt.Tx }

// restatement says where a record stands that was first written elsewhere.
type restatement struct{ origin, at revocation.Ref }

const sizeRestatement = 2 * sizeRef

// of lists the restatements of a ref, or of all refs of a position, oldest first.
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

// before is the newest position below p that has restatements.
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

// restate notes that a record stands at a ref and was first written under its
// Origin, unless that says nothing new.
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
