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

const (
	cursorRef = 8 + 8 + 2 // epoch, sequence, item
	cursorMAC = 16
)

func (s cursors) write(ref revocation.Ref) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, cursorRef+cursorMAC), ref.Epoch)
	b = binary.BigEndian.AppendUint64(b, ref.Sequence)
	b = binary.BigEndian.AppendUint16(b, ref.Item)
	return base64.RawURLEncoding.EncodeToString(append(b, s.mac(b)...))
}

// read gives the zero Ref for no cursor.
func (s cursors) read(cursor string) (revocation.Ref, *Problem) {
	if cursor == "" {
		return revocation.Ref{}, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != cursorRef+cursorMAC || !hmac.Equal(b[cursorRef:], s.mac(b[:cursorRef])) {
		return revocation.Ref{}, invalidRequest.at("/cursor", "is not a cursor of this search, or was made before a restart: begin again without one")
	}
	return revocation.Ref{
		Position: revocation.Position{Epoch: binary.BigEndian.Uint64(b), Sequence: binary.BigEndian.Uint64(b[8:])},
		Item:     binary.BigEndian.Uint16(b[16:]),
	}, nil
}

func (s cursors) mac(ref []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(s.search[:])
	h.Write(ref)
	return h.Sum(nil)[:cursorMAC]
}
