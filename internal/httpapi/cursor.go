package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// Page is one page of a search, newest first.
type Page[T any] struct {
	Items      []T     `json:"items" nullable:"false"`
	NextCursor *string `json:"next_cursor" doc:"Asks for the next page; null at the end"`
}

// Paging asks for one page of a search.
type Paging struct {
	Limit  int    `json:"limit,omitempty" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `json:"cursor,omitempty" minLength:"1" maxLength:"128" doc:"next_cursor of the page before"`
}

// Cursors writes and reads the cursors of one search. It is the digest of what was
// searched for. A cursor of another search is refused, or a page would be missing
// without notice.
//
// A cursor is not a secret and needs none, so that every node reads it. A caller
// that makes one up sees the same search from another place on, and nothing
// that the search would not show.
type Cursors [sha256.Size]byte

const checkSize = 16

// Write makes a cursor of a place.
func (c Cursors) Write(place []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(place, c.check(place)...))
}

// Read returns the place of a cursor, which has so many bytes. It returns nil for
// no cursor.
func (c Cursors) Read(cursor string, size int) ([]byte, *Problem) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != size+checkSize || subtle.ConstantTimeCompare(b[size:], c.check(b[:size])) != 1 {
		return nil, InvalidRequest.At("/cursor", "is not a cursor of this search: begin again without one")
	}
	return b[:size], nil
}

// check is over the search and the place.
func (c Cursors) check(place []byte) []byte {
	sum := sha256.Sum256(append(c[:], place...))
	return sum[:checkSize]
}
