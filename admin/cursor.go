package admin

import (
	"encoding/binary"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/revocation"
)

// cursors are those of one search of an operation.
func cursors(c *httpapi.Call, search ...string) httpapi.Cursors {
	return digestOf(append([]string{c.Operation()}, search...)...)
}

const (
	refSize   = 8 + 8 + 2 // epoch, sequence, item
	placeSize = 8
)

// writeRef makes a cursor of a search of the ledger.
func writeRef(s httpapi.Cursors, ref revocation.Ref) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, refSize), ref.Epoch)
	b = binary.BigEndian.AppendUint64(b, ref.Sequence)
	return s.Write(binary.BigEndian.AppendUint16(b, ref.Item))
}

// readRef returns the zero Ref for no cursor.
func readRef(s httpapi.Cursors, cursor string) (revocation.Ref, *Problem) {
	b, refused := s.Read(cursor, refSize)
	if b == nil {
		return revocation.Ref{}, refused
	}
	return revocation.Ref{
		Position: revocation.Position{Epoch: binary.BigEndian.Uint64(b), Sequence: binary.BigEndian.Uint64(b[8:])},
		Item:     binary.BigEndian.Uint16(b[16:]),
	}, nil
}

// writePlace makes a cursor of a search of what this node has seen.
func writePlace(s httpapi.Cursors, place uint64) string {
	return s.Write(binary.BigEndian.AppendUint64(make([]byte, 0, placeSize), place))
}

// readPlace returns zero for no cursor.
func readPlace(s httpapi.Cursors, cursor string) (uint64, *Problem) {
	b, refused := s.Read(cursor, placeSize)
	if b == nil {
		return 0, refused
	}
	return binary.BigEndian.Uint64(b), nil
}
