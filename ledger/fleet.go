package ledger

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"curfew.dev/curfew/revocation"
)

// ErrReadOnly: this node may follow the ledger and may not append to it.
// It is wrapped together with [ErrUnavailable].
var ErrReadOnly = errors.New("this node may only follow the ledger")

// Shared is a ledger that several nodes append to and follow. Each keeps a
// replica, from which Read, Get, Search and Head answer.
//
// Open returns before the cluster was reached. A Shared that can't reach it
// answers from its replica, and no tick arrives. Append returns only when most
// servers of the log have acknowledged the entry and this node's own [Follower]
// has read it.
type Shared interface {
	Ledger
	// Follow gives f every entry of the replica after a position, in order, without
	// a gap. Then comes one tick by nobody, with the newest echo of each node that
	// may be serving, and then everything that arrives, until ctx ends. It returns
	// nil when ctx ends, and an error that wraps [ErrIntegrity] once the log can't
	// be trusted. There is one follower at a time. A position that the replica does
	// not have is [ErrNotFound].
	Follow(ctx context.Context, after revocation.Position, f Follower) error
	// Tick appends a tick with these echoes, and what its writer says of its
	// horizons, if anything. The ledger adds this node's head. The error is one
	// of Append's.
	Tick(ctx context.Context, echoes []Echo, horizons *Horizons) error
	// Say sends a heartbeat to all nodes, this one included. It is not durable: a
	// heartbeat that reaches no server is lost.
	Say(h Heartbeat) error
	// Acknowledge tells the writer of an entry how far this node enforces.
	Acknowledge(writer string, a Acknowledgement) error
	// Ask asks all other nodes about a record and collects their answers until
	// ctx ends or want of them came.
	Ask(ctx context.Context, ref revocation.Ref, want int) []Answer
	// Elsewhere connects to another server of the cluster, for when the present
	// one answers and brings nothing new, because it is cut off from the others. It
	// reports whether it does. It leaves a connection alone that is lost, or was
	// made just now.
	Elsewhere() bool
	// Connection describes this node's connection, for people and metrics.
	Connection() Connection
}

// Follower receives what a [Shared] reads. Calls come one at a time, in the order
// of the log, from one goroutine, except Heard, Acknowledged and Asked, which come
// from another. None may block for long.
type Follower interface {
	// Applied: an entry is durable in the log. writer is the node that wrote
	// it, empty where the replica no longer knows.
	Applied(e revocation.Entry, writer string)
	// Ticked: a tick stands in the log here. Everything before was Applied.
	Ticked(t Tick)
	// Heard: a heartbeat came.
	Heard(h Heartbeat)
	// Acknowledged: a node enforces what this node wrote.
	Acknowledged(a Acknowledgement)
	// Asked: another node asks about a record. False: send no answer.
	Asked(ref revocation.Ref) (Answer, bool)
}

// Echo is the newest nonce that the writer of a tick has heard from a node, and
// that node's own bound.
type Echo struct {
	Node         string        `json:"node"` // name/instance
	Nonce        uint64        `json:"nonce"`
	MaxStaleness time.Duration `json:"max_staleness"`
	// Unbounded: that node serves when it is stale (on_stale allow).
	Unbounded bool `json:"unbounded,omitempty"`
}

// Tick is a message of the log that proves freshness: a node that finds its own
// nonce in it knows everything that was acknowledged before it sent that nonce.
type Tick struct {
	By     string `json:"by"` // name/instance
	Echoes []Echo `json:"echoes"`
	// Horizons is what its writer had at an earlier tick; nil: it does not say.
	Horizons *Horizons `json:"horizons,omitempty"`

	// Stamp is when the servers stored it, by their clock; zero: not known.
	Stamp time.Time `json:"-"`
	// Sequence is where in the log it stands; 0: not known. Entered is where the
	// trim stands behind which this node began to read this epoch: before it, the
	// node has not read all that lives. 0: it has read the epoch from its genesis.
	Sequence uint64 `json:"-"`
	Entered  uint64 `json:"-"`
}

// Horizons is what expired cuts had left behind, in a node's index, at a tick,
// had all that could expire by the tick's stamp done so.
type Horizons struct {
	Epoch  uint64 `json:"epoch"`
	Tick   uint64 `json:"tick"` // its Sequence
	Digest Digest `json:"digest"`
	// Entered is that of the tick. A node that entered earlier has read more.
	Entered uint64 `json:"entered,omitempty"`
}

// Digest is a SHA-256, as text in hexadecimal digits.
type Digest [32]byte

// MarshalText writes the digits.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(digits []byte) error {
	if len(digits) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("a digest has %d hexadecimal digits, not %d", hex.EncodedLen(len(d)), len(digits))
	}
	_, err := hex.Decode(d[:], digits)
	return err
}

// Heartbeat is what a node says of itself every second.
type Heartbeat struct {
	Node string `json:"node"` // name/instance
	// Nonce grows by one with each heartbeat of an instance, from 1.
	Nonce        uint64              `json:"nonce"`
	Position     revocation.Position `json:"position"` // applied
	MaxStaleness time.Duration       `json:"max_staleness"`
	Unbounded    bool                `json:"unbounded,omitempty"`
	State        string              `json:"state"`
	Why          string              `json:"why,omitempty"`
	Staleness    time.Duration       `json:"staleness"`
	Version      string              `json:"version,omitempty"`
	ConfigDigest string              `json:"config_digest,omitempty"`
	// Format is the newest format of a record that the node reads; 0 means 1.
	Format int `json:"format,omitempty"`
	// SealingKeys are the ids of the node's sealing keys; the first one seals.
	SealingKeys []string `json:"sealing_keys,omitempty"`
	// Issuers are the issuers whose tokens the node takes.
	Issuers []IssuerStatus `json:"issuers,omitempty"`
	// Newest is the newest iat or auth_time of each issuer that the node, or one
	// that it has heard of, has verified, in Unix seconds.
	Newest map[string]int64 `json:"newest,omitempty"`
	// Facts are, by issuer, the claims that the node has seen in tokens, as a set
	// of bits. Their meaning is not the ledger's business.
	Facts map[string]uint64 `json:"facts,omitempty"`
	// Leaving: the node is shutting down and admits nothing any more.
	Leaving bool `json:"leaving,omitempty"`
}

// IssuerStatus says whether a node has the keys of an issuer. Without them it
// answers every request with one of its tokens with 503.
type IssuerStatus struct {
	Issuer string `json:"issuer"`
	Ready  bool   `json:"ready"`
	Why    string `json:"why,omitempty"` // it is not ready
}

// Acknowledgement tells the writer of entries how far a node enforces them.
type Acknowledgement struct {
	Node     string              `json:"node"`
	Position revocation.Position `json:"position"` // enforced up to here
	// Cut counts the live requests that records of the writer ended there,
	// since the last acknowledgement.
	Cut []CutCount `json:"cut,omitempty"`
}

// CutCount is how many live requests a record ended.
type CutCount struct {
	Ref   revocation.Ref `json:"ref"`
	Count int            `json:"count"`
}

// Answer says since when a node enforces a record.
type Answer struct {
	Node string `json:"node"`
	// Since is when it began to, by its own clock; zero: it does not yet.
	Since time.Time `json:"since"`
	Cut   int       `json:"cut"`
}

// Connection is the state of a node's connection to the cluster.
type Connection struct {
	// Problem says why nothing arrives or can be written; nil: all is well.
	Problem error
	// Offset is this node's clock minus the servers'. Measured says whether it is
	// known yet.
	Offset   time.Duration
	Measured bool
	// Verified: every server of the log was seen to sync before it acknowledges,
	// and the log has the replicas that it should have.
	Verified bool
	// ReadOnly: this node may not append.
	ReadOnly bool
}
