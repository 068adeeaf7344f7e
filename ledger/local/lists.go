package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
)

// mostForgotten is the most expired items that one append removes.
const mostForgotten = 16

// listPrefix returns the prefix of the keys of a list's items.
func listPrefix(key ledger.Key) []byte { return append([]byte(key), 0) }

func itemKey(key ledger.Key, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(listPrefix(key), sequence)
}

// sequenceOf decodes the sequence at the end of an item's key.
func sequenceOf(k []byte) uint64 { return binary.BigEndian.Uint64(k[len(k)-sizeSequence:]) }

// Append adds an item to a list. See [ledger.Documents].
func (d *documents) Append(ctx context.Context, key ledger.Key, item []byte) error {
	if err := ledger.CheckItem(key, item); err != nil {
		return err
	}
	return d.update(ctx, func(tx *bolt.Tx) error {
		sequence, err := tx.Bucket(bucketAbout).NextSequence()
		if err != nil {
			return err
		}
		now := d.now()
		k, v := itemKey(key, sequence), append(binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli())), item...)
		if err := tx.Bucket(bucketActivity).Put(k, v); err != nil {
			return err
		}
		if err := tx.Bucket(bucketOrder).Put(k[len(k)-sizeSequence:], []byte(key)); err != nil {
			return err
		}
		used, err := count(tx, bucketActivity, itemSize(k, v))
		if err != nil {
			return err
		}
		if err := remove(tx, surplus(tx, key)); err != nil {
			return err
		}
		return remove(tx, d.oldest(tx, now, used-d.most))
	})
}

// itemSize returns the bytes of an item. Its key counts twice, because it is in two
// buckets.
func itemSize(k, v []byte) int64 { return int64(2*len(k) + len(v)) }

// surplus returns the keys of the oldest items of a list that has too many.
func surplus(tx *bolt.Tx, key ledger.Key) [][]byte {
	keys := itemKeys(tx, key)
	return keys[:max(0, len(keys)-ledger.MaxItems)]
}

// itemKeys returns the keys of all items of a list, oldest first.
func itemKeys(tx *bolt.Tx, key ledger.Key) (keys [][]byte) {
	prefix := listPrefix(key)
	cursor := tx.Bucket(bucketActivity).Cursor()
	for k, _ := cursor.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = cursor.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	return keys
}

// oldest returns the keys of items of all lists that must be removed. They have
// expired, or all lists together must shrink by some bytes. One call returns a
// limited number of expired ones.
func (d *documents) oldest(tx *bolt.Tx, now time.Time, excess int64) (keys [][]byte) {
	cursor := tx.Bucket(bucketOrder).Cursor()
	for k, list := cursor.First(); k != nil; k, list = cursor.Next() {
		key := append(listPrefix(ledger.Key(list)), k...)
		v := tx.Bucket(bucketActivity).Get(key)
		if excess <= 0 && (len(keys) >= mostForgotten || v != nil && !tooOld(v, now)) {
			break
		}
		excess -= itemSize(key, v)
		keys = append(keys, key)
	}
	return keys
}

func tooOld(v []byte, now time.Time) bool {
	return len(v) < sizeSequence || now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(v)))) > ledger.MaxItemAge
}

// remove removes items from both buckets.
func remove(tx *bolt.Tx, keys [][]byte) error {
	for _, k := range keys {
		if v := tx.Bucket(bucketActivity).Get(k); v != nil {
			if _, err := count(tx, bucketActivity, -itemSize(k, v)); err != nil {
				return err
			}
		}
		if err := tx.Bucket(bucketActivity).Delete(k); err != nil {
			return err
		}
		if err := tx.Bucket(bucketOrder).Delete(k[len(k)-sizeSequence:]); err != nil {
			return err
		}
	}
	return nil
}

// Newest returns items of a list. See [ledger.Documents].
func (d *documents) Newest(ctx context.Context, key ledger.Key, before uint64, limit int) (items []ledger.Item, err error) {
	if err := key.Validate(); err != nil {
		return nil, err
	}
	now, prefix := d.now(), listPrefix(key)
	err = d.view(ctx, func(tx *bolt.Tx) error {
		cursor := tx.Bucket(bucketActivity).Cursor()
		k, v := cursor.Seek(itemKey(key, before-1)) // if before is 0: after all items
		if k == nil {
			k, v = cursor.Last()
		}
		for ; k != nil && bytes.Compare(k, prefix) >= 0 && len(items) < limit; k, v = cursor.Prev() {
			if !bytes.HasPrefix(k, prefix) || before != 0 && sequenceOf(k) >= before {
				continue // Seek may stop after the wanted key
			}
			if tooOld(v, now) {
				break
			}
			items = append(items, ledger.Item{Sequence: sequenceOf(k), Value: bytes.Clone(v[sizeSequence:])})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading a list: %w", err)
	}
	return items, nil
}

// Forget removes all items of a list. See [ledger.Documents].
func (d *documents) Forget(ctx context.Context, key ledger.Key) error {
	if err := key.Validate(); err != nil {
		return err
	}
	return d.update(ctx, func(tx *bolt.Tx) error { return remove(tx, itemKeys(tx, key)) })
}
