package nats

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// wireVersion begins every message. A message of another version can't be read,
// and neither can the messages after it.
const wireVersion = 1

// errMessage means that a message of the stream can't be read.
var errMessage = errors.New("unreadable message")

// errNewerMessage means that a later build wrote the message.
var errNewerMessage = fmt.Errorf("%w: %w", errMessage, revocation.ErrNewer)

// genesis begins an epoch.
type genesis struct {
	// Ledger tells this stream's contents from any other's. All epochs of a stream
	// have the same one.
	Ledger [16]byte
	Epoch  uint64
	// Adopted is the head that the node that began this epoch had reached in older
	// epochs. It is zero in a first epoch.
	Adopted ledger.Head
	// Records is the encoding of the genesis record.
	Records []byte
}

// batch has the entries that several callers of one node wrote at one moment.
type batch struct {
	Writer  string // name/instance
	Number  uint64 // of the writer's batches, from 1
	Entries []entry
}

// entry has the records of one append and its idempotency key.
type entry struct {
	Key     ledger.Idempotency
	Records []byte // their encoding
}

// tick is a [ledger.Tick] with its writer's place in the log. Head is the head
// that its writer had after the message Followed.
type tick struct {
	ledger.Tick
	Followed uint64      `json:"followed"`
	Head     ledger.Head `json:"head"`
}

// trim says that the stream is not needed up to a message, because its live
// records were written again since.
type trim struct {
	// Through is the stream's sequence of the last message that is deleted. Head is
	// the head of the log after it.
	Through uint64      `json:"through"`
	Head    ledger.Head `json:"head"`
}

func (g *genesis) encode() []byte {
	b := append([]byte{wireVersion}, g.Ledger[:]...)
	b = binary.AppendUvarint(b, g.Epoch)
	b = binary.AppendUvarint(b, g.Adopted.Position.Epoch)
	b = binary.AppendUvarint(b, g.Adopted.Position.Sequence)
	b = append(b, g.Adopted.Chain[:]...)
	return append(b, g.Records...)
}

func decodeGenesis(b []byte) (g genesis, err error) {
	r, err := open(b)
	if err != nil {
		return g, err
	}
	copy(g.Ledger[:], r.take(len(g.Ledger)))
	g.Epoch = r.uvarint()
	g.Adopted.Position = revocation.Position{Epoch: r.uvarint(), Sequence: r.uvarint()}
	copy(g.Adopted.Chain[:], r.take(len(g.Adopted.Chain)))
	g.Records = r.b
	if r.bad || g.Epoch == 0 || g.Epoch > revocation.MaxEpoch {
		return g, fmt.Errorf("%w: a genesis is malformed", errMessage)
	}
	return g, nil
}

// The flags of an entry.
const (
	plain = iota
	keyed
)

func (m *batch) encode() []byte {
	b := append(make([]byte, 0, 256), wireVersion)
	b = binary.AppendUvarint(b, uint64(len(m.Writer)))
	b = append(b, m.Writer...)
	b = binary.AppendUvarint(b, m.Number)
	b = binary.AppendUvarint(b, uint64(len(m.Entries)))
	for i := range m.Entries {
		b = m.Entries[i].append(b)
	}
	return b
}

func (e *entry) append(b []byte) []byte {
	if e.Key.IsZero() {
		b = append(b, plain)
	} else {
		b = append(b, keyed)
		b = append(b, e.Key.Key[:]...)
		b = append(b, e.Key.Request[:]...)
		b = binary.AppendUvarint(b, uint64(max(0, e.Key.Expires.UnixMilli())))
	}
	b = binary.AppendUvarint(b, uint64(len(e.Records)))
	return append(b, e.Records...)
}

func decodeBatch(b []byte) (m batch, err error) {
	r, err := open(b)
	if err != nil {
		return m, err
	}
	m.Writer = string(r.bytes())
	m.Number = r.uvarint()
	n := r.uvarint()
	if n == 0 || n > uint64(len(r.b)) {
		r.bad, n = true, 0
	}
	m.Entries = make([]entry, n)
	for i := range m.Entries {
		m.Entries[i].decode(r)
	}
	if r.bad || len(r.b) > 0 {
		return batch{}, fmt.Errorf("%w: a batch of entries is malformed", errMessage)
	}
	return m, nil
}

func (e *entry) decode(r *reader) {
	switch flag := r.take(1); {
	case r.bad:
	case flag[0] == keyed:
		copy(e.Key.Key[:], r.take(len(e.Key.Key)))
		copy(e.Key.Request[:], r.take(len(e.Key.Request)))
		e.Key.Expires = time.UnixMilli(int64(r.uvarint()))
	case flag[0] != plain:
		r.bad = true
	}
	e.Records = r.bytes()
}

// appendJSON encodes ticks and trims. They are few, so JSON is good enough.
func appendJSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append([]byte{wireVersion}, b...), err
}

func decodeJSON(b []byte, v any) error {
	r, err := open(b)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(r.b, v); err != nil {
		return fmt.Errorf("%w: %w", errMessage, err)
	}
	return nil
}

// reader decodes a message. After a member is missing it is bad and returns zeros.
type reader struct {
	b   []byte
	bad bool
}

func open(b []byte) (*reader, error) {
	switch {
	case len(b) == 0:
		return nil, fmt.Errorf("%w: it is empty", errMessage)
	case b[0] > wireVersion:
		return nil, fmt.Errorf("%w (version %d, this build understands %d)", errNewerMessage, b[0], wireVersion)
	case b[0] != wireVersion:
		return nil, fmt.Errorf("%w: it has no version", errMessage)
	}
	return &reader{b: b[1:]}, nil
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	return r.take(int(n))
}
