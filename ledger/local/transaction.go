package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// transaction adds entries to the log within a bbolt transaction.
type transaction struct {
	tx                                  *bolt.Tx
	log, heads, history, keys, expiries *bolt.Bucket

	lookup    *lookup
	chain     *ledger.Chainer
	head      ledger.Head
	mentioned [][]byte // the keys of the history that putMentions writes
}

func newTransaction(tx *bolt.Tx, head ledger.Head, c *ledger.Chainer) *transaction {
	t := &transaction{
		tx:       tx,
		log:      tx.Bucket(bucketLog),
		heads:    tx.Bucket(bucketHead),
		history:  tx.Bucket(bucketHistory),
		keys:     tx.Bucket(bucketKeys),
		expiries: tx.Bucket(bucketExpiries),
		lookup:   newLookup(tx),
		chain:    c,
		head:     head,
	}
	t.log.FillPercent = 1 // each key is greater than all before it
	t.expiries.FillPercent = 0.9
	return t
}

// append adds one request, unless its key was used before. After an error the
// transaction must be rolled back.
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
	if err := t.put(p, r.draft); err != nil {
		return answer{}, err
	}
	if !r.key.IsZero() {
		if err := t.remember(r.key, p); err != nil {
			return answer{}, err
		}
	}
	return answer{position: p}, nil
}

// copy adds an entry of a shared ledger, unless the log already has it. From then
// on the entry's idempotency key refers to this entry.
func (t *transaction) copy(c Copy, d draft) error {
	if c.Position.Compare(t.head.Position) <= 0 {
		return t.same(c.Position, d.payload)
	}
	first := t.head == ledger.Head{} && c.Position.Sequence > 0
	if c.Position.Epoch > revocation.MaxEpoch || !first && !follows(t.head.Position, c.Position) {
		return damaged("entry %s of the shared ledger can't come after %s", c.Position, t.head.Position)
	}
	if err := t.put(c.Position, d); err != nil {
		return err
	}
	if c.Key.IsZero() {
		return nil
	}
	return t.remember(c.Key, c.Position)
}

// same checks that an entry of the log equals the given copy.
func (t *transaction) same(p revocation.Position, payload []byte) error {
	e, err := t.lookup.entry(p)
	if err == nil && bytes.Equal(e.payload, payload) {
		return nil
	}
	return damaged("the entry %s of the shared ledger is not the one that this node has", p)
}

// put adds an entry at p, which follows the head.
func (t *transaction) put(p revocation.Position, d draft) error {
	chain := t.chain.Next(t.head.Chain, p, d.payload)
	value := make([]byte, 0, sizeChain+len(d.payload))
	value = append(append(value, chain[:]...), d.payload...)
	if err := t.log.Put(appendPosition(nil, p), value); err != nil {
		return fmt.Errorf("writing entry %s: %w", p, err)
	}
	t.head = ledger.Head{Position: p, Chain: chain}
	for _, r := range d.restated {
		if err := t.restate(r.record, revocation.Ref{Position: p, Item: r.item}); err != nil {
			return err
		}
	}
	for _, m := range d.mentions {
		t.mention(p, m)
	}
	return nil
}

func (t *transaction) mention(p revocation.Position, m mention) {
	ref := m.origin
	if ref.IsZero() {
		ref = revocation.Ref{Position: p, Item: m.item}
	}
	if m.lifts.IsZero() {
		t.putMention(m.subject, ref)
		return
	}
	lifted, err := t.lookup.known(m.lifts)
	if err != nil {
		return // the log does not have the lifted record
	}
	for _, l := range lifted {
		if l.Record.Target.Subject == "" {
			continue // the record is of no single account
		}
		t.putMention(subjectOf(l.Record.Target.Issuer, l.Record.Target.Subject), ref)
	}
}

// putMention queues a key of the history for putMentions.
func (t *transaction) putMention(s subject, ref revocation.Ref) {
	t.mentioned = append(t.mentioned, appendMention(make([]byte, 0, sizeMention), s, ref))
}

// putMentions writes the queued keys of the history in their order. The keys are
// hashes, so that unsorted writes would touch a page each.
func (t *transaction) putMentions() error {
	slices.SortFunc(t.mentioned, bytes.Compare)
	for _, m := range t.mentioned {
		if err := t.history.Put(m, nil); err != nil {
			return fmt.Errorf("writing the history of %s: %w", refOf(m), err)
		}
	}
	t.mentioned = nil
	return nil
}

func (t *transaction) putHead() error {
	if err := t.putMentions(); err != nil {
		return err
	}
	if err := t.heads.Put(keyHead, appendHead(nil, t.head)); err != nil {
		return fmt.Errorf("writing the head: %w", err)
	}
	return nil
}

// putMark stores the mark of a replica's owner.
func (t *transaction) putMark(mark []byte) error {
	if err := t.heads.Put(keyMark, append([]byte{formatVersion}, mark...)); err != nil {
		return fmt.Errorf("writing the mark: %w", err)
	}
	return nil
}

// putSucceeds stores the head of the ledger that this one replaces.
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

// forget removes at most limit expired idempotency keys. Each append adds one key
// and may remove two, so expired keys do not accumulate.
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
	// The key may have been used again since, with a later expiry.
	if m, ok := memoryOf(t.keys.Get(key)); ok && uint64(m.expires) == binary.BigEndian.Uint64(expiry) {
		if err := t.keys.Delete(key); err != nil {
			return err
		}
	}
	return t.expiries.Delete(expiry)
}
