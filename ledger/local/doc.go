// Package local keeps the ledger of a single gateway in one bbolt file, and in
// a cluster each node's [Replica] of the shared one.
//
// # Files
//
// The log is in two files of the directory. ledger.db has every entry under its
// position (8 bytes of epoch, 8 of sequence, big endian), each with the hash of
// the one before it. The same transaction writes the head, the history by
// subject and the idempotency keys. The file position repeats the head. It is
// synced after each commit and before the acknowledgement: after a flipped bit
// in its newest meta page bbolt opens without an error, and the last transaction
// is gone. Sequences start at 1 in every epoch and have no gaps. The chain of
// hashes runs through all epochs.
//
// A witness is a copy of the position outside the directory. It shows that a
// directory was lost or replaced by an older copy. The witness's directory also
// has a trace of each ledger, named after the ledger's first entry. A trace shows
// an older copy in another directory too.
//
// # Documents
//
// documents.db has the contents of a [ledger.Documents]. It is separate from
// ledger.db, so that damage to it can't keep the log from being opened. The first
// use creates it. A file that can't be read is set aside and replaced by a new
// one. [Adopt], [SetAside] and [Options].Withdraw do not touch it.
//
// # Replicas
//
// A replica uses the same files and the same checks. It begins empty, at the
// position where its node began to follow. Its chain therefore can't be compared
// with the chains of other nodes' replicas. Each batch is committed with a mark
// from the replica's owner. A record that was written again is found once, under
// its first ref. A damaged replica is set aside, never deleted, and built again
// from the shared ledger.
//
// # When each check runs
//
// [Open] checks the pages of the file (every page reached once, none of them
// free). It checks that head, last entry, position and witness agree, and refuses a
// log that lacks an acknowledged entry. [Ledger.Read] checks every hash,
// sequence and record as it reads them, so that a start reads the log once.
// [Ledger.Get] and [Ledger.Search] check the entries they return. After damage
// was found, every call fails with [ledger.ErrIntegrity].
//
// # What it must never do
//
// It must never
//   - acknowledge an entry that isn't synced;
//   - use a file whose sync failed before it has opened, verified and written that
//     file anew;
//   - skip an entry that it can't read;
//   - repair a log by itself;
//   - delete a file that an operator might want to look at. [Ledger.Close] may
//     remove only a ledger that [Open] began and nobody has written to.
//
// # Reading order
//
//  1. options.go and ledger.go: opening and closing.
//  2. schema.go, position.go and store.go: the files and their checks.
//  3. draft.go, append.go, transaction.go and write.go: the way of an append.
//  4. read.go, lookup.go and search.go: the queries.
//  5. files.go, install.go and aside.go: how a log begins, is reopened and is set
//     aside; then adopt.go and withdraw.go.
//  6. witness.go, trace.go and newest.go: the evidence of a lost ledger.
//  7. replica.go and origins.go: the replica of a shared ledger.
//  8. documents.go and lists.go: the documents.
//  9. inspect.go, pages.go, guard.go, lock_*.go and sync_*.go: diagnosis and the
//     operating system.
package local
