// Package revocation holds the vocabulary of revoking and the index that the
// hot path reads. It is pure: no clock, no I/O, no goroutine of its own, and it
// imports the standard library only.
//
// A [Credential] is what one verified token says. A [Target] is a set of
// credential members that must all match. A [Record] cuts, blocks, steps up or
// lifts a target. Records are grouped in an [Entry], the unit of the ledger,
// and folded into an [Index].
//
// # How a record is made
//
// Every way in, such as the admin API, fills a [Draft] with what its caller
// chose. [Draft.Record] adds what follows from the [Issuers] and from what the
// node has [Observed]: mode, instant with the clock skew, how long the record is
// kept, exempt clients, limits. A [DraftError] names the member at fault and the
// mend. No other package puts a record together; internal/archtest holds that.
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
// # How a record grows
//
// Records are encoded by one table of fields with a tag each, and golden bytes
// hold it. A build refuses what it does not know, because to skip a record, or a
// part of one, may admit what the record revokes. So all that can be added has a
// number: [Format] grows by one with
//
//   - a field: a number takes the next free tag below 32, a text or list the next
//     one from 64 on;
//   - a type of record, a mode, a member of a target, another value of a number;
//   - a rule of [Record.Validate] that is relaxed.
//
// [Record.Format] then says which format a record needs, and nodes write only
// what all others read. A build reads every format up to its own. No tag moves or
// is used again, and no field changes its meaning. The version byte of the
// encoding changes only if records or fields are delimited in another way.
//
// Nothing can be added to the encoding without a new format. A rule of Validate
// that is made stricter needs none, but a ledger may have records that break it:
// it belongs where requests are checked, not there.
//
// # What it must never do
//
// It never forgets a record for want of memory, never approximates a match,
// and never asks what time it is.
//
// Read record.go and target.go first, then issuer.go, draft.go with
// draft_error.go, facts.go and limits.go, then credential.go, index.go with
// table.go and horizon.go, and codec.go last.
package revocation
