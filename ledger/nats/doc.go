// Package nats keeps the ledger of a cluster in a JetStream stream, and a
// replica of it on each node.
//
// # The stream
//
// Messages are genesis, entries, ticks and trims. A message of entries is a batch:
// the entries that several callers of one node wrote at the same moment. Positions
// are not the stream's sequences. Every node counts entries from the genesis of
// the epoch and keeps a running hash over them. A tick states its writer's count
// and hash, and every node compares them with its own.
//
// # Documents
//
// The contents of a [ledger.Documents] are in two key-value buckets and a stream
// of lists. The first use of documents opens or creates them. The log does not
// depend on them, and damage to the log does not affect them.
//
// # Trust
//
// This package trusts acknowledgements of appends, and messages that come in order
// without a gap. It trusts nothing else that a server says of the stream, because
// a deposed leader answers from the past. See docs/decisions.
//
// # What it must never do
//
// It must never
//   - skip a message that it can't read;
//   - take a shorter or another stream for the ledger;
//   - acknowledge an append before this node has read it back from the stream;
//   - delete a message that no trim in the stream has named.
//
// # Reading order
//
//  1. options.go, settings.go and connect.go: the stream and the connection.
//  2. message.go and fold.go: from messages to entries and positions.
//  3. ledger.go, follow.go and replica.go: how a node follows the stream.
//  4. append.go and refusals.go: how a node writes to it.
//  5. epoch.go and carry.go: how an epoch begins and how its gaps are filled.
//  6. fleet.go, clock.go and trim.go: ticks, their clock, and trims.
//  7. documents.go and lists.go: the documents.
package nats
