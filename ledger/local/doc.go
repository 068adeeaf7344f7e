// Package local keeps the ledger of a single gateway in one bbolt file, and in
// a cluster each node's [Replica] of the shared one.
//
// # Files
//
// The log is in two files of the directory. ledger.db has every entry under its position
// (8 bytes of epoch, 8 of sequence, big endian), each with the hash of the one
// before it; the head, the history by subject and the idempotency keys are
// written in the same transaction. position repeats the head. It is synced
// after each commit and before the acknowledgement, because bbolt opens
// without an error after a flipped bit in its newest meta page, and the last
// transaction is gone. Sequences start at 1 in every epoch and have no gaps;
// the chain of hashes runs through all epochs. A witness outside the
// directory, where one is configured, makes a directory that was lost or
// swapped for an older copy look like what it is. Beside it lies the trace of
// each ledger, which goes by its first entry: an older copy is noticed in
// another directory too.
//
// # Documents
//
// documents.db has what a [ledger.Documents] keeps. It is another file than
// ledger.db, so that nothing that happens to it can keep the log from being
// opened, and it is made by the first use. A file that can't be read is set
// aside, and a new one begins. [Adopt], [SetAside] and [Options].Withdraw leave
// it alone.
//
// # Replicas
//
// A replica lies in the same files and is held to the same checks. It begins
// empty and wherever its node came in, so its chain is its own and says nothing
// of other nodes' replicas; a mark that its owner gives it is committed with
// each batch. Records that were written again are found under the ref they
// first had, each once. A replica that is damaged is set aside, never deleted,
// and built again from the shared ledger.
//
// # What is verified when
//
// [Open] checks the pages of the file (every page reached once, none of them
// free), that head, last entry, position and witness agree, and refuses
// anything shorter than what was acknowledged. [Ledger.Read] checks every hash,
// sequence and record on its way, so that a start pays for one pass and not for
// two. [Ledger.Get] and [Ledger.Search] check the entries they return. What is
// found damaged is [ledger.ErrIntegrity], from then on for everything.
//
// # What it must never do
//
// It never acknowledges what isn't synced, never goes on with a file whose sync
// failed before that file was opened, verified and written anew, never skips an
// entry it can't read, never repairs by itself, and never deletes a file that an
// operator might want to look at: only what [Open] began itself, and nobody
// ever wrote to, may go again with [Ledger.Close].
package local
