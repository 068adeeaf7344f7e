// Package nats keeps the ledger of a cluster in a JetStream stream, and a
// replica of it on each node.
//
// # What is in the stream
//
// Messages are genesis, entries, ticks and trims. A message of entries is what
// several callers of one node wrote at the same moment. Positions are not the
// stream's sequences: every node counts entries while it follows, from the
// genesis of the epoch on, and keeps a running hash over them. A tick states
// its writer's count and hash, and everybody compares.
//
// # Documents
//
// What a [ledger.Documents] keeps is in two key-value buckets and a stream of
// lists, which a node looks after once documents are wanted. Nothing of the log
// depends on them, and nothing that happens to the log touches them.
//
// # What is trusted
//
// Acknowledgements of appends, and messages that come in order without a gap.
// Nothing that a server says of the stream otherwise proves anything: a leader
// that was deposed answers from the past. See docs/decisions.
//
// # What it must never do
//
// It never skips a message that it can't read, never takes a shorter or another
// stream for the ledger, never acknowledges what did not come round, and never
// deletes anything but what a trim in the stream has named.
package nats
