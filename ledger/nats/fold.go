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

// The kinds of messages are the last tokens of their subjects.
const (
	kindGenesis = "genesis"
	kindEntry   = "entry"
	kindTick    = "tick"
	kindTrim    = "trim"
)

// message is a message of the stream.
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

// mark records how far a node has followed the stream. The replica stores it.
type mark struct {
	// Sequence is that of the last folded message. Hash is its hash, or zero if the
	// hash is unknown.
	Sequence uint64        `json:"sequence"`
	Hash     ledger.Digest `json:"hash"`
	// Head is the head of the log after it.
	Head ledger.Head `json:"head"`
	// Owes is the position that an earlier replica of this node had reached. It is
	// zero once this replica has reached it.
	Owes revocation.Position `json:"owes"`
	// Entered is the sequence of the trim after which this node began to read the
	// epoch. It is 0 if the node began at the genesis.
	Entered uint64 `json:"entered,omitempty"`
	// Contributes means that the next epoch may lack records that this node's
	// replica has. Restates is the epoch into which this node must still write such
	// records, or 0.
	Contributes bool   `json:"contributes,omitempty"`
	Restates    uint64 `json:"restates,omitempty"`
	// Roster lists the nodes that may be serving, by the newest echo of each node in
	// the log. It is never changed in place.
	Roster []echoed `json:"roster,omitempty"`
}

// echoed is an echo and the stream's stamp on it.
type echoed struct {
	ledger.Echo
	Stamp time.Time `json:"stamp"`
}

// unboundedFor is how long after its last echo a node counts as serving if it
// serves without a bound on staleness.
const unboundedFor = 10 * time.Minute

// outlived reports whether the echo is older than twice the node's bound.
func (e *echoed) outlived(stamp time.Time) bool {
	lasts := 2 * e.MaxStaleness
	if e.Unbounded {
		lasts = max(lasts, unboundedFor)
	}
	return stamp.Sub(e.Stamp) > lasts
}

// merged returns the roster after a tick. A node that leaves sends a last tick
// without an echo of its own.
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
		panic(err) // never: a mark has only arrays and numbers
	}
	return b
}

func decodeMark(b []byte) (m mark, err error) {
	if len(b) > 0 {
		err = json.Unmarshal(b, &m)
	}
	return m, err
}

// memory is the first use of an idempotency key.
type memory struct {
	request  [32]byte
	position revocation.Position
	expires  time.Time
}

// fold turns messages into entries and their positions. All nodes get the same
// result, because fold uses only the messages and the stream's stamps, and no
// clock of a node.
type fold struct {
	mark
	chain  ledger.Chainer
	recent [1 << 13]ledger.Head // by sequence; ticks are compared with it
	// remembered returns the first use of a key, or [ledger.ErrNotFound].
	remembered func(key [32]byte) (memory, error)
}

// step is the result of folding a message.
type step struct {
	entries []folded
	// writer, number and outcomes answer a batch: one outcome for each entry.
	writer   string
	number   uint64
	outcomes []outcome

	genesis *genesis
	tick    *ledger.Tick
}

// folded is an entry that was added to the log.
type folded struct {
	copy local.Copy
	mem  memory
}

// outcome is the result of appending an entry.
type outcome struct {
	position revocation.Position
	replayed bool
	err      error
}

// next folds the message after the last one. After an error f is unchanged, and
// the stream can't be read or trusted.
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
		// Only nodes that join later or were away need a trim. It is decoded here
		// to be sure that they can read it.
		err = decodeJSON(m.data, new(trim))
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

// begin folds a genesis. It ignores a genesis for an epoch that has already begun,
// because another node was first.
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

// used returns the outcome of the entry that used the key of e first in this
// epoch.
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

// tick compares its writer's chain with this node's chain at the same position.
func (f *fold) tick(m *message) (*ledger.Tick, error) {
	var t tick
	if err := decodeJSON(m.data, &t); err != nil {
		return nil, err
	}
	p := t.Head.Position
	if p.Epoch < f.Head.Position.Epoch {
		return &t.Tick, nil // nodes may disagree on an older epoch, which is why a new one began
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
