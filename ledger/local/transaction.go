package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// mention says in whose history a record belongs: its target's, or that of the
// record that it lifts.
type mention struct {
	item    uint16
	subject subject
	lifts   revocation.Ref
}

func mentionsOf(records []revocation.Record) []mention {
	var mentions []mention
	for i := range records {
		r := &records[i]
		switch {
		case r.Type == revocation.Lift:
			mentions = append(mentions, mention{item: uint16(i), lifts: r.Lifts})
		case r.Target.Issuer != "" && r.Target.Subject != "":
			mentions = append(mentions, mention{item: uint16(i), subject: subjectOf(r.Target.Issuer, r.Target.Subject)})
		}
	}
	return mentions
}

// transaction adds entries to the log within a bbolt transaction.
type transaction struct {
	log, heads, history, keys, expiries *bolt.Bucket

	lookup lookup
	chain  *chainer
	head   ledger.Head
}

func newTransaction(tx *bolt.Tx, head ledger.Head, c *chainer) *transaction {
	t := &transaction{
		log:      tx.Bucket(bucketLog),
		heads:    tx.Bucket(bucketHead),
		history:  tx.Bucket(bucketHistory),
		keys:     tx.Bucket(bucketKeys),
		expiries: tx.Bucket(bucketExpiries),
		lookup:   newLookup(tx),
		chain:    c,
		head:     head,
	}
	t.log.FillPercent = 1 // keys only ever grow
	t.expiries.FillPercent = 0.9
	return t
}

// append adds one request, unless its key was seen before. An error spoils the
// transaction.
func (t *transaction) append(r *request, now time.Time) (answer, error) {
	if !r.key.IsZero() {
		if m, ok := t.remembered(r.key.Key, now); ok {
			if m.request != r.key.Request {
				return answer{position: m.position, err: ledger.ErrKeyReused}, nil
			}
			return answer{position: m.position, replayed: true}, nil
		}
	}
	p := t.head.Position
	p.Sequence++
	if err := t.put(p, r.payload, r.mentions); err != nil {
		return answer{}, err
	}
	if !r.key.IsZero() {
		if err := t.remember(r.key, p); err != nil {
			return answer{}, err
		}
	}
	return answer{position: p}, nil
}

// put adds an entry at p, which follows the head.
func (t *transaction) put(p revocation.Position, payload []byte, mentions []mention) error {
	chain := t.chain.next(t.head.Chain, p, payload)
	value := make([]byte, 0, sizeChain+len(payload))
	value = append(append(value, chain[:]...), payload...)
	if err := t.log.Put(appendPosition(nil, p), value); err != nil {
		return fmt.Errorf("writing entry %s: %w", p, err)
	}
	t.head = ledger.Head{Position: p, Chain: chain}
	for _, m := range mentions {
		if err := t.mention(p, m); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) mention(p revocation.Position, m mention) error {
	if !m.lifts.IsZero() {
		lifted, err := t.lookup.record(m.lifts)
		if err != nil || lifted.Target.Subject == "" {
			return nil // a lift of what isn't here, or is nobody's alone
		}
		m.subject = subjectOf(lifted.Target.Issuer, lifted.Target.Subject)
	}
	ref := revocation.Ref{Position: p, Item: m.item}
	if err := t.history.Put(appendMention(nil, m.subject, ref), nil); err != nil {
		return fmt.Errorf("writing the history of %s: %w", ref, err)
	}
	return nil
}

func (t *transaction) putHead() error {
	if err := t.heads.Put(keyHead, appendHead(nil, t.head)); err != nil {
		return fmt.Errorf("writing the head: %w", err)
	}
	return nil
}

// putSucceeds notes the head of the ledger that this one replaces.
func (t *transaction) putSucceeds(h ledger.Head) error {
	if err := t.heads.Put(keySucceeds, appendHead(nil, h)); err != nil {
		return fmt.Errorf("writing the head of the old ledger: %w", err)
	}
	return nil
}

func (t *transaction) remembered(key [sizeKey]byte, now time.Time) (memory, bool) {
	m, ok := memoryOf(t.keys.Get(key[:]))
	return m, ok && m.expires > now.Unix()
}

func (t *transaction) remember(key ledger.Idempotency, p revocation.Position) error {
	m := memory{request: key.Request, position: p, expires: expirySeconds(key.Expires)}
	if err := t.keys.Put(key.Key[:], m.append(nil)); err != nil {
		return fmt.Errorf("remembering the idempotency key: %w", err)
	}
	if err := t.expiries.Put(appendExpiry(nil, m.expires, key.Key), nil); err != nil {
		return fmt.Errorf("remembering the idempotency key: %w", err)
	}
	return nil
}

// forget removes at most limit idempotency keys that have expired. Each append
// adds one and may remove two, so they stay as many as live ones.
func (t *transaction) forget(now time.Time, limit int) error {
	var expired [][]byte
	c := t.expiries.Cursor()
	for k, _ := c.First(); k != nil && len(expired) < limit; k, _ = c.Next() {
		if binary.BigEndian.Uint64(k) > uint64(now.Unix()) {
			break
		}
		expired = append(expired, bytes.Clone(k))
	}
	for _, k := range expired {
		if err := t.forgetKey(k); err != nil {
			return fmt.Errorf("forgetting an idempotency key: %w", err)
		}
	}
	return nil
}

func (t *transaction) forgetKey(expiry []byte) error {
	key := expiry[8:]
	// The key may have been used anew since, and expire later.
	if m, ok := memoryOf(t.keys.Get(key)); ok && uint64(m.expires) == binary.BigEndian.Uint64(expiry) {
		if err := t.keys.Delete(key); err != nil {
			return err
		}
	}
	return t.expiries.Delete(expiry)
}

// lookup finds single entries of the log and verifies each against the one
// before it.
type lookup struct {
	cursor *bolt.Cursor
	chain  *chainer
}

func newLookup(tx *bolt.Tx) lookup {
	return lookup{tx.Bucket(bucketLog).Cursor(), &chainer{}}
}

// entry returns the entry at p, or [ledger.ErrNotFound].
func (l lookup) entry(p revocation.Position) (entry, error) {
	key := appendPosition(nil, p)
	k, v := l.cursor.Seek(key)
	if !bytes.Equal(k, key) {
		return entry{}, fmt.Errorf("%w: no entry %s", ledger.ErrNotFound, p)
	}
	return l.verified(k, v)
}

// before returns the last entry that is older than p; ok is false where there
// is none.
func (l lookup) before(p revocation.Position) (e entry, ok bool, err error) {
	k, v := stepBack(l.cursor, appendPosition(nil, p))
	if k == nil {
		return entry{}, false, nil
	}
	e, err = l.verified(k, v)
	return e, err == nil, err
}

// stepBack moves a cursor to the last key below one.
func stepBack(c *bolt.Cursor, key []byte) (k, v []byte) {
	if k, _ = c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// verified reads the entry under the cursor, which then stands before it.
func (l lookup) verified(k, v []byte) (entry, error) {
	e, err := entryOf(k, v)
	if err != nil {
		return entry{}, err
	}
	k, v = l.cursor.Prev()
	if k == nil {
		return e, e.verify(ledger.Head{}, l.chain)
	}
	prev, err := entryOf(k, v)
	if err != nil {
		return entry{}, err
	}
	return e, e.verify(prev.Head, l.chain)
}

// record returns the record at ref, or [ledger.ErrNotFound].
func (l lookup) record(ref revocation.Ref) (revocation.Record, error) {
	e, err := l.entry(ref.Position)
	if err != nil {
		return revocation.Record{}, err
	}
	records, err := e.records()
	if err != nil {
		return revocation.Record{}, err
	}
	if int(ref.Item) >= len(records) {
		return revocation.Record{}, fmt.Errorf("%w: entry %s has %d records", ledger.ErrNotFound, ref.Position, len(records))
	}
	return records[ref.Item], nil
}

// newest is above every ref.
var newest = revocation.Ref{
	Position: revocation.Position{Epoch: math.MaxUint64, Sequence: math.MaxUint64},
	Item:     math.MaxUint16,
}
