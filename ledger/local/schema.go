package local

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// The names of the files in the directory of a ledger.
const (
	fileLog      = "ledger.db"
	filePosition = "position"
	// staged is the suffix of a file that is complete but not yet in place.
	staged = ".new"
)

// The buckets of ledger.db.
var (
	bucketLog      = []byte("log")      // position -> chain, payload
	bucketHead     = []byte("head")     // keyHead, keySucceeds -> version, position, chain; keyMark -> version, mark
	bucketHistory  = []byte("history")  // subject, ref -> nothing
	bucketKeys     = []byte("keys")     // idempotency key -> request, position, expiry
	bucketExpiries = []byte("expiries") // expiry, idempotency key -> nothing
	bucketOrigins  = []byte("origins")  // origin, ref -> nothing; only for restated records

	buckets     = [][]byte{bucketLog, bucketHead, bucketHistory, bucketKeys, bucketExpiries}
	keyHead     = []byte("head")
	keySucceeds = []byte("succeeds")
	keyMark     = []byte("mark") // in replicas only
)

// formatVersion is the layout of the buckets.
const formatVersion = 1

const (
	sizePosition = 16
	sizeChain    = sha256.Size
	sizeHead     = 1 + sizePosition + sizeChain
	sizeKey      = 32
	sizeMemory   = sizeKey + sizePosition + 8
	sizeRef      = sizePosition + 2
)

func appendPosition(b []byte, p revocation.Position) []byte {
	b = binary.BigEndian.AppendUint64(b, p.Epoch)
	return binary.BigEndian.AppendUint64(b, p.Sequence)
}

// positionOf decodes the result of appendPosition. The caller checks b's length.
func positionOf(b []byte) revocation.Position {
	return revocation.Position{Epoch: binary.BigEndian.Uint64(b), Sequence: binary.BigEndian.Uint64(b[8:])}
}

// follows reports whether q may come directly after p. It must be the next sequence
// of the epoch, or the first one of a later epoch.
func follows(p, q revocation.Position) bool {
	if q.Epoch == p.Epoch {
		return q.Sequence == p.Sequence+1
	}
	return q.Epoch > p.Epoch && q.Sequence == 1
}

func appendRef(b []byte, r revocation.Ref) []byte {
	return binary.BigEndian.AppendUint16(appendPosition(b, r.Position), r.Item)
}

// refOf decodes the result of appendRef. The caller checks b's length.
func refOf(b []byte) revocation.Ref {
	return revocation.Ref{Position: positionOf(b), Item: binary.BigEndian.Uint16(b[sizePosition:])}
}

func appendHead(b []byte, h ledger.Head) []byte {
	b = append(b, formatVersion)
	b = appendPosition(b, h.Position)
	return append(b, h.Chain[:]...)
}

func headOf(b []byte) (ledger.Head, error) {
	if len(b) == 0 {
		return ledger.Head{}, errors.New("the head is missing")
	}
	if b[0] != formatVersion {
		return ledger.Head{}, fmt.Errorf("format version %d, this build reads %d: %w", b[0], formatVersion, revocation.ErrNewer)
	}
	if len(b) != sizeHead {
		return ledger.Head{}, fmt.Errorf("the head has %d bytes, want %d", len(b), sizeHead)
	}
	return ledger.Head{Position: positionOf(b[1:]), Chain: [sizeChain]byte(b[1+sizePosition:])}, nil
}

// subject returns the key of an account in the history. It is a digest, so that
// keys are short and of one length.
type subject [16]byte

func subjectOf(issuer, sub string) subject {
	b := binary.AppendUvarint(make([]byte, 0, 128), uint64(len(issuer)))
	b = append(b, issuer...)
	b = append(b, sub...)
	sum := sha256.Sum256(b)
	return subject(sum[:])
}

const sizeMention = len(subject{}) + sizeRef

func appendMention(b []byte, s subject, r revocation.Ref) []byte {
	return appendRef(append(b, s[:]...), r)
}

func mentioned(mention []byte) revocation.Ref { return refOf(mention[len(subject{}):]) }

// memory is the first use of an idempotency key.
type memory struct {
	request  [sizeKey]byte
	position revocation.Position
	expires  int64 // Unix seconds
}

func (m memory) append(b []byte) []byte {
	b = append(b, m.request[:]...)
	b = appendPosition(b, m.position)
	return binary.BigEndian.AppendUint64(b, uint64(m.expires))
}

func memoryOf(b []byte) (memory, bool) {
	if len(b) != sizeMemory {
		return memory{}, false
	}
	return memory{
		request:  [sizeKey]byte(b),
		position: positionOf(b[sizeKey:]),
		expires:  int64(binary.BigEndian.Uint64(b[sizeKey+sizePosition:])),
	}, true
}

func appendExpiry(b []byte, expires int64, key [sizeKey]byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(expires))
	return append(b, key[:]...)
}

// expirySeconds returns the second after which a key may be forgotten. It rounds
// up, so that no key is forgotten too early.
func expirySeconds(t time.Time) int64 { return max(0, t.Add(time.Second-1).Unix()) }
