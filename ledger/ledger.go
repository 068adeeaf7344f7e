// Package ledger is the contract of the durable, ordered log of cuts, blocks,
// step-ups and lifts. The sub-packages implement it: local in one bbolt file and,
// for a cluster, nats. Both pass the suite in ledgertest.
//
// The contract: every later [Ledger.Read] returns the entries that
// [Ledger.Append] acknowledged, in order, without a gap, unchanged, whatever
// happened in between. A ledger that can't show that refuses to open or to go on
// instead of serving less.
//
// The package must never know what a record means beyond encoding it: folding
// is the index's business, enforcing is the node's.
//
// Read ledger.go first, then fleet.go for a ledger that several nodes share,
// documents.go for data that lies in other files than the log, and chain.go.
package ledger

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"curfew.dev/curfew/revocation"
)

// Errors of a ledger. Each is wrapped with what happened and the mend.
var (
	// ErrIntegrity: the log is damaged, shorter than what was acknowledged,
	// older than what this node has seen, or another one. The node must stop
	// serving; nothing is repaired without an operator.
	ErrIntegrity = errors.New("ledger integrity failure")
	// ErrLocked: another process has the ledger open.
	ErrLocked = errors.New("ledger is in use by another process")
	// ErrUninitialised: the ledger is empty and the configuration says to wait
	// for `caddy curfew init`.
	ErrUninitialised = errors.New("ledger is not initialised")
	// ErrUnavailable: nothing was written and nothing will be: the disk is
	// full or failing, or the ledger is closed. Retrying later is safe.
	ErrUnavailable = errors.New("ledger is unavailable")
	// ErrOutcomeUnknown: the entry may or may not be durable. Retry with the
	// same idempotency key.
	ErrOutcomeUnknown = errors.New("outcome of the append is unknown")
	// ErrKeyReused: the idempotency key was used for another request.
	ErrKeyReused = errors.New("idempotency key was used for another request")
	// ErrNotFound: no such record.
	ErrNotFound = errors.New("no such record")
)

// Idempotency makes a repeated append find the first one. The zero value asks
// for none.
type Idempotency struct {
	// Key is a digest of the caller's name and its key, and Request a digest of
	// its request.
	Key, Request [32]byte
	// Expires is when the key may be forgotten.
	Expires time.Time
}

// IsZero reports whether no key was given.
func (i Idempotency) IsZero() bool { return i.Key == [32]byte{} }

// Page asks for a part of the history, newest first.
type Page struct {
	// Issuer and Subject narrow it; both empty is the whole history.
	Issuer, Subject string
	// Types are wanted; empty is all.
	Types []revocation.Type
	// Before continues below a record; zero starts at the newest.
	Before revocation.Ref
	// Limit is the largest number of records.
	Limit int
}

// Located is a record and its place in the ledger.
type Located struct {
	Ref    revocation.Ref
	Record revocation.Record
}

// Head is the end of the log.
type Head struct {
	Position revocation.Position
	// Chain is the hash over all entries up to Position.
	Chain [32]byte
}

// MarshalText is `epoch.sequence:chain`, the chain in hexadecimal digits.
func (h Head) MarshalText() ([]byte, error) {
	return hex.AppendEncode(append([]byte(h.Position.String()), ':'), h.Chain[:]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (h *Head) UnmarshalText(text []byte) error {
	position, chain, _ := strings.Cut(string(text), ":")
	p, err := revocation.ParsePosition(position)
	if err != nil {
		return err
	}
	if n, err := hex.Decode(h.Chain[:], []byte(chain)[:min(len(chain), 2*len(h.Chain))]); err != nil || n != len(h.Chain) || len(chain) != 2*n {
		return fmt.Errorf("%q is not a head: want epoch.sequence:chain", text)
	}
	h.Position = p
	return nil
}

// Ledger is an open log. All methods may be called concurrently.
type Ledger interface {
	// Append makes records durable as one entry and returns its position. On
	// a nil error they survive kill -9 and power cut. With an idempotency key
	// that was seen before for the same request, nothing is written and the
	// position of the first entry is returned with replayed true; for another
	// request the error is [ErrKeyReused]. Other errors wrap [ErrUnavailable],
	// [ErrOutcomeUnknown] or [ErrIntegrity]. The answer comes within the
	// context's deadline.
	Append(ctx context.Context, records []revocation.Record, key Idempotency) (pos revocation.Position, replayed bool, err error)
	// Read calls yield for every entry after a position, oldest first, and
	// returns at the head of the moment it started, or with yield's error.
	Read(ctx context.Context, after revocation.Position, yield func(revocation.Entry) error) error
	// Get returns one record, or [ErrNotFound].
	Get(ctx context.Context, ref revocation.Ref) (revocation.Record, error)
	// Search returns records newest first.
	Search(ctx context.Context, page Page) ([]Located, error)
	// Head is the last durable entry.
	Head() Head
	// Err is nil while the log is sound, and wraps [ErrIntegrity] once it is
	// known not to be. It never becomes nil again.
	Err() error
	// Close waits for appends under way and releases the log. Later calls
	// return [ErrUnavailable].
	Close() error
}
