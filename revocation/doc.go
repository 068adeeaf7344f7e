// Package revocation holds the vocabulary of revoking and the index that the
// hot path reads. It is pure: no clock, no I/O, no goroutine of its own, and it
// imports the standard library only.
//
// A [Credential] is what one verified token says. A [Target] is a set of
// credential members that must all match. A [Record] cuts, blocks, steps up or
// lifts a target. Records are grouped in an [Entry], the unit of the ledger,
// and folded into an [Index].
//
// # The index is a join-semilattice
//
// Instants merge by maximum, finals by union, lifts absorb. [Index.Apply] is
// therefore commutative, associative and idempotent: duplicates, reordering,
// replays, repairs and merges of histories are harmless. Expiry is a pure
// function of the record, and what expires raises a horizon below which
// nothing is admitted, so expiry never lets a credential back in, whatever is
// configured later.
//
// # What it must never do
//
// It never forgets a record for want of memory, never approximates a match,
// and never asks what time it is.
package revocation
