package nats

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// The kinds of messages: the last tokens of their subjects.
const (
	kindGenesis = "genesis"
	kindEntry   = "entry"
	kindTick    = "tick"
	kindTrim    = "trim"
)

// message is one of the stream.
type message struct {
	kind     string
	sequence uint64    // in the stream
	stamp    time.Time // the stream's
	data     []byte
}

func (m *message) hash() (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write([]byte(m.kind))
	h.Write(m.data)
	h.Sum(sum[:0])
	return sum
}

// mark is how far a node has followed the stream. The replica keeps it.
type mark struct {
	// Sequence is the last message that was folded, Hash its hash; an unknown
	// one is zero.
	Sequence uint64        `json:"sequence"`
	Hash     ledger.Digest `json:"hash"`
	// Head is where the log stood after it.
	Head ledger.Head `json:"head"`
	// Owes is what an earlier replica of this node had reached, while this one
	// has not.
	Owes revocation.Position `json:"owes"`
	// Entered is the trim behind which this node began to read the epoch, by its
	// sequence; 0: it began at the genesis.
	Entered uint64 `json:"entered,omitempty"`
	// Contributes: what this node's replica has may be missing in the epoch that
	// begins next. Restates is the epoch into which that is still to be written,
	// 0 where nothing is.
	Contributes bool   `json:"contributes,omitempty"`
	Restates    uint64 `json:"restates,omitempty"`
	// Roster is who may be serving: the newest echo of each node that stands in
	// the log. It is never changed in place.
	Roster []echoed `json:"roster,omitempty"`
}

// echoed is an echo and the stream's stamp on it.
type echoed struct {
	ledger.Echo
	Stamp time.Time `json:"stamp"`
}

// unboundedFor is how long a node counts that serves when it is stale.
const unboundedFor = 10 * time.Minute

// outlived reports whether nobody could count on the node any more for twice
// its bound.
func (e *echoed) outlived(stamp time.Time) bool {
	lasts := 2 * e.MaxStaleness
	if e.Unbounded {
		lasts = max(lasts, unboundedFor)
	}
	return stamp.Sub(e.Stamp) > lasts
}

// merged is a roster after a tick. A tick without an echo of its writer is the
// last word of a node that leaves.
func merged(roster []echoed, t *ledger.Tick, stamp time.Time) []echoed {
	after := make([]echoed, 0, len(roster)+1)
	for _, e := range t.Echoes {
		after = append(after, echoed{e, stamp})
	}
	for i := range roster {
		again := func(e ledger.Echo) bool { return e.Node == roster[i].Node }
		if roster[i].Node != t.By && !slices.ContainsFunc(t.Echoes, again) && !roster[i].outlived(stamp) {
			after = append(after, roster[i])
		}
	}
	return after
}

func (m *mark) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // of arrays and numbers: it can't
	}
	return b
}

func decodeMark(b []byte) (m mark, err error) {
	if len(b) > 0 {
		err = json.Unmarshal(b, &m)
	}
	return m, err
}

// memory is what is known of an idempotency key.
type memory struct {
	request  [32]byte
	position revocation.Position
	expires  time.Time
}

// fold turns messages into entries and their positions. All nodes come to the
// same, from the messages alone: stamps are the stream's, and no clock of a
// node is asked.
type fold struct {
	mark
	chain  ledger.Chainer
	recent [1 << 13]ledger.Head // by sequence; ticks are compared with it
	// remembered finds a key that was used, or [ledger.ErrNotFound].
	remembered func(key [32]byte) (memory, error)
}

// step is what a message comes to.
type step struct {
	entries []folded
	// writer, number and outcomes answer a batch: one outcome for each entry.
	writer   string
	number   uint64
	outcomes []outcome

	genesis *genesis
	tick    *ledger.Tick
}

// folded is an entry that counts.
type folded struct {
	copy local.Copy
	mem  memory
}

// outcome is what became of an entry.
type outcome struct {
	position revocation.Position
	replayed bool
	err      error
}

// next folds the message after the last one. After an error nothing has changed,
// and the stream can't be trusted or understood.
func (f *fold) next(m *message) (s step, err error) {
	if f.Sequence != 0 && m.sequence != f.Sequence+1 {
		return s, fmt.Errorf("message %d comes after %d: what is between is gone", m.sequence, f.Sequence)
	}
	after := f.mark
	switch m.kind {
	case kindGenesis:
		s, err = f.begin(m, &after)
	case kindEntry:
		s, err = f.batch(m, &after)
	case kindTick:
		if s.tick, err = f.tick(m); err == nil {
			s.tick.Stamp, s.tick.Sequence, s.tick.Entered = m.stamp, m.sequence, after.Entered
			after.Roster = merged(after.Roster, s.tick, m.stamp)
		}
	case kindTrim:
		err = decodeJSON(m.data, new(trim)) // of use to who enters or was away; here it must be readable
	default:
		err = fmt.Errorf("%w: its subject ends in %q", errMessage, m.kind)
	}
	if err != nil {
		return step{}, fmt.Errorf("message %d of the stream: %w", m.sequence, err)
	}
	after.Sequence, after.Hash = m.sequence, m.hash()
	if after.Head.Position.Compare(after.Owes) >= 0 {
		after.Owes = revocation.Position{}
	}
	f.mark = after
	return s, nil
}

// begin takes a genesis. One for an epoch that has begun came second, and is
// none.
func (f *fold) begin(m *message, to *mark) (s step, err error) {
	g, err := decodeGenesis(m.data)
	if err != nil {
		return s, err
	}
	if g.Epoch <= to.Head.Position.Epoch {
		return s, nil
	}
	s.genesis = &g
	if to.Contributes || to.Head.Position.Epoch > 0 && g.Adopted != to.Head {
		to.Restates = g.Epoch
	}
	to.Contributes, to.Entered = false, 0
	s.entries, err = f.add(nil, &entry{Records: g.Records}, to, revocation.Position{Epoch: g.Epoch, Sequence: 1})
	return s, err
}

func (f *fold) batch(m *message, to *mark) (s step, err error) {
	b, err := decodeBatch(m.data)
	if err != nil {
		return s, err
	}
	if to.Head.Position.Epoch == 0 {
		return s, fmt.Errorf("%w: entries before any genesis", errMessage)
	}
	s.writer, s.number = b.Writer, b.Number
	s.outcomes = make([]outcome, len(b.Entries))
	for i := range b.Entries {
		e := &b.Entries[i]
		done, twice, err := f.used(&s, e, m.stamp)
		if err != nil {
			return s, err
		}
		if twice {
			s.outcomes[i] = done
			continue
		}
		p := to.Head.Position
		p.Sequence++
		if s.entries, err = f.add(s.entries, e, to, p); err != nil {
			return s, err
		}
		s.outcomes[i] = outcome{position: p}
	}
	return s, nil
}

// used finds the entry for which the key of e was used first, in this epoch.
func (f *fold) used(s *step, e *entry, stamp time.Time) (done outcome, used bool, err error) {
	if e.Key.IsZero() {
		return outcome{}, false, nil
	}
	m, known := memory{}, false
	for i := range s.entries {
		if s.entries[i].copy.Key.Key == e.Key.Key {
			m, known = s.entries[i].mem, true
		}
	}
	if !known {
		if m, err = f.remembered(e.Key.Key); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return outcome{}, false, err
		}
		known = err == nil
	}
	switch {
	case !known || m.position.Epoch != f.Head.Position.Epoch || !stamp.Before(m.expires):
		return outcome{}, false, nil
	case m.request != e.Key.Request:
		return outcome{position: m.position, err: ledger.ErrKeyReused}, true, nil
	}
	return outcome{position: m.position, replayed: true}, true, nil
}

func (f *fold) add(to []folded, e *entry, m *mark, p revocation.Position) ([]folded, error) {
	records, err := revocation.DecodeRecords(e.Records)
	if err != nil {
		return to, err
	}
	prev := m.Head.Chain
	if p.Epoch != m.Head.Position.Epoch { // the chain begins anew with each epoch
		prev = [sha256.Size]byte{}
	}
	m.Head = ledger.Head{Position: p, Chain: f.chain.Next(prev, p, e.Records)}
	f.recent[p.Sequence%uint64(len(f.recent))] = m.Head
	return append(to, folded{
		copy: local.Copy{Position: p, Records: records, Encoded: e.Records, Key: e.Key},
		mem:  memory{request: e.Key.Request, position: p, expires: e.Key.Expires},
	}), nil
}

// tick compares where its writer stood with where this node stood there.
func (f *fold) tick(m *message) (*ledger.Tick, error) {
	var t tick
	if err := decodeJSON(m.data, &t); err != nil {
		return nil, err
	}
	p := t.Head.Position
	if p.Epoch < f.Head.Position.Epoch {
		return &t.Tick, nil // nodes may have read different things there: hence the new epoch
	}
	if p.Compare(f.Head.Position) > 0 {
		return nil, fmt.Errorf("%s knows the log up to %s and it ends at %s: its tail was lost", t.By, p, f.Head.Position)
	}
	here := f.Head
	if p != here.Position {
		here = f.recent[p.Sequence%uint64(len(f.recent))]
	}
	if here.Position == p && here.Chain != t.Head.Chain {
		return nil, fmt.Errorf("%s read something else than this node up to %s", t.By, p)
	}
	return &t.Tick, nil
}
