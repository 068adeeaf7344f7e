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

// wireVersion begins every message. Another one is not understood, and so is
// what comes after it.
const wireVersion = 1

// errMessage: a message of the stream can't be read.
var errMessage = errors.New("unreadable message")

// errNewerMessage: a later build wrote it.
var errNewerMessage = fmt.Errorf("%w: %w", errMessage, revocation.ErrNewer)

// genesis begins an epoch.
type genesis struct {
	// Ledger tells this stream's content from any other's. It stays over epochs
	// of the same stream.
	Ledger [16]byte
	Epoch  uint64
	// Adopted is what the node that began this epoch had applied of older
	// ones; zero in a first epoch.
	Adopted ledger.Head
	// Records is the encoding of the genesis record.
	Records []byte
}

// batch is what one node wrote at a moment: the entries of several callers.
type batch struct {
	Writer  string // name/instance
	Number  uint64 // of the writer's batches, from 1
	Entries []entry
}

// entry is what one caller wrote.
type entry struct {
	Key     ledger.Idempotency
	Records []byte // their encoding
}

// tick is a [ledger.Tick] and where its writer stands: Head is where the log
// stood for it after the message Followed.
type tick struct {
	ledger.Tick
	Followed uint64      `json:"followed"`
	Head     ledger.Head `json:"head"`
}

// trim names what is not needed any more: everything up to a message of the
// stream, because all that lives of it was written again since.
type trim struct {
	// Through is the last message that goes, by its sequence in the stream,
	// and Head where the log stood after it.
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

// appendJSON is the encoding of ticks and trims, which are few.
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

// reader takes a message apart. Once something is missing it is bad, and gives
// zeros.
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
