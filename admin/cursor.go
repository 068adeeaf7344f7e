package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"curfew.dev/curfew/revocation"
)

// cursors writes and reads the cursors of one search. They are authenticated,
// and bound to what was searched for: a forged one, or one of another search,
// is refused.
type cursors struct {
	key    []byte
	search [32]byte
}

// cursors are those of one search of an operation: what it was asked for.
func (a *api) cursors(c *call, search ...string) cursors {
	return cursors{a.Memory.cursorKey(), digestOf(append([]string{c.operation}, search...)...)}
}

const (
	refSize   = 8 + 8 + 2 // epoch, sequence, item
	placeSize = 8
	macSize   = 16
)

// writeRef is a cursor of a search of the ledger.
func (s cursors) writeRef(ref revocation.Ref) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, refSize+macSize), ref.Epoch)
	b = binary.BigEndian.AppendUint64(b, ref.Sequence)
	return s.seal(binary.BigEndian.AppendUint16(b, ref.Item))
}

// readRef gives the zero Ref for no cursor.
func (s cursors) readRef(cursor string) (revocation.Ref, *Problem) {
	b, refused := s.open(cursor, refSize)
	if b == nil {
		return revocation.Ref{}, refused
	}
	return revocation.Ref{
		Position: revocation.Position{Epoch: binary.BigEndian.Uint64(b), Sequence: binary.BigEndian.Uint64(b[8:])},
		Item:     binary.BigEndian.Uint16(b[16:]),
	}, nil
}

// writePlace is a cursor of a search of what was seen.
func (s cursors) writePlace(place uint64) string {
	return s.seal(binary.BigEndian.AppendUint64(make([]byte, 0, placeSize+macSize), place))
}

// readPlace gives zero for no cursor.
func (s cursors) readPlace(cursor string) (uint64, *Problem) {
	b, refused := s.open(cursor, placeSize)
	if b == nil {
		return 0, refused
	}
	return binary.BigEndian.Uint64(b), nil
}

func (s cursors) seal(b []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(b, s.mac(b)...))
}

// open gives the bytes that were sealed, and none for no cursor.
func (s cursors) open(cursor string, size int) ([]byte, *Problem) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != size+macSize || !hmac.Equal(b[size:], s.mac(b[:size])) {
		return nil, invalidRequest.at("/cursor", "is not a cursor of this search, or was made before a restart: begin again without one")
	}
	return b[:size], nil
}

func (s cursors) mac(sealed []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(s.search[:])
	h.Write(sealed)
	return h.Sum(nil)[:macSize]
}
