package nats

import (
	"log/slog"
	"time"

	"curfew.dev/curfew/ledger/local"
)

// Options say which stream is the ledger and who this node is.
type Options struct {
	// URLs of the servers, nats:// or tls://. One that answers is enough.
	URLs []string
	// Credentials is the path of a .creds file, or of a file with an NKEY seed.
	Credentials string
	// TLSCA is the path of the roots that the servers' certificates must chain
	// to; empty for those of the system. TLSCert and TLSKey are this client's.
	TLSCA, TLSCert, TLSKey string
	// Stream is its name; empty is CURFEW.
	Stream string
	// Replicas the stream must have at least; 0 is 3.
	Replicas int
	// DocumentBytes is how much each stream of documents may take, where this node
	// creates it; 0 is [ledger.MaxCollection].
	DocumentBytes int64
	// SystemCredentials is the path of credentials of the system account, by
	// which the servers are asked whether they sync before they acknowledge.
	SystemCredentials string

	// Dir is the directory of this node's replica. It must exist.
	Dir string
	// Node is this instance's `name/instance`.
	Node string
	// OnEmpty says how a ledger begins in an empty stream.
	OnEmpty local.OnEmpty
	// Skew is the clock skew that the instant of a genesis record allows for.
	Skew time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Instant is that of a genesis record that signs everybody out; nil: now.
	Instant func() time.Time
	// Log is told what an operator should know; nil: nobody is.
	Log *slog.Logger
}

// DefaultStream is the stream where none is named.
const DefaultStream = "CURFEW"

// DefaultReplicas is how many servers hold the stream where none is said.
const DefaultReplicas = 3
