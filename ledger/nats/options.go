package nats

import (
	"log/slog"
	"time"

	"curfew.dev/curfew/ledger/local"
)

// Options name the stream of the ledger and this node.
type Options struct {
	// URLs are those of the servers, nats:// or tls://. One that answers is enough.
	URLs []string
	// Credentials is the path of a .creds file, or of a file with an NKEY seed.
	Credentials string
	// TLSCA is the path of the roots that the servers' certificates must chain
	// to; empty for those of the system. TLSCert and TLSKey are this client's.
	TLSCA, TLSCert, TLSKey string
	// Stream is the name of the stream; empty is CURFEW.
	Stream string
	// Replicas is the least number of servers that must hold the stream; 0 is 3.
	Replicas int
	// DocumentBytes limits the bytes of each stream of documents that this node
	// creates; 0 is [ledger.MaxCollection].
	DocumentBytes int64
	// SystemCredentials is the path of credentials of the system account. This node
	// uses them to ask the servers whether they sync before they acknowledge.
	SystemCredentials string

	// Dir is the directory of this node's replica. It must exist.
	Dir string
	// Node is this instance's `name/instance`.
	Node string
	// OnEmpty says how a ledger begins in an empty stream.
	OnEmpty local.OnEmpty
	// Skew is the clock skew that a genesis record allows for.
	Skew time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Instant returns the instant of a genesis record that signs everybody out; nil
	// is Now.
	Instant func() time.Time
	// Log receives messages for the operator; nil logs nothing.
	Log *slog.Logger
}

// DefaultStream is the name of the stream if [Options].Stream is empty.
const DefaultStream = "CURFEW"

// DefaultReplicas is the number of servers that hold the stream if
// [Options].Replicas is 0.
const DefaultReplicas = 3
