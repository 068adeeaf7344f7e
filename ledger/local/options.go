package local

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// OnEmpty says what an empty directory means: a first start and a lost volume
// look the same.
type OnEmpty uint8

// The meanings of an empty directory.
const (
	// SignOutAll begins with a genesis record that refuses every session from
	// before now: nothing is un-revoked by losing a disk.
	SignOutAll OnEmpty = iota
	// Start trusts the sessions that exist, unless the witness has seen a
	// ledger: then this is no first start, and Open signs everybody out.
	Start
	// Refuse waits for [Init].
	Refuse
)

var onEmptyNames = [...]string{"sign_out_all", "start", "refuse"}

// String is the name of the option in the configuration.
func (e OnEmpty) String() string {
	if int(e) >= len(onEmptyNames) {
		return ""
	}
	return onEmptyNames[e]
}

// Options say where a ledger lies and how it begins.
type Options struct {
	// Dir is the directory of the ledger. It must exist.
	Dir string
	// OnEmpty says how a ledger begins in an empty directory. [Init] and
	// [Adopt] sign everybody out unless it is Start.
	OnEmpty OnEmpty
	// Witness is the path of a copy of the position outside Dir, empty for
	// none. Beside it lies another one that goes by the ledger itself, so that
	// ledgers whose witnesses share a directory are recognised wherever they
	// lie. Both are written at most once a second and on Close; failing to
	// write them stops nothing, see [Ledger.WitnessErr].
	Witness string
	// Withdraw is asked by Close whether a ledger that Open began, and to which
	// nothing was written since, is removed again, so that the next opening
	// begins anew. Nil: it stays.
	Withdraw func() bool
	// DocumentBytes is how much the documents of a collection, or all lists,
	// may take; 0 is [ledger.MaxCollection].
	DocumentBytes int64
	// Log is told what Open made of an empty directory, and of documents that
	// can't be read; nil: nobody is.
	Log *slog.Logger
	// Skew is the clock skew that the instant of a genesis record allows for.
	Skew time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// knowing is how a ledger begins on a machine that has seen one: what was
// revoked in a lost one must not come back.
func (o Options) knowing(seen ledger.Head) Options {
	if o.OnEmpty == Start && seen != (ledger.Head{}) {
		o.OnEmpty = SignOutAll
	}
	return o
}

// began tells what was made of an empty directory. The options are those before
// [Options.knowing].
func (o Options) began(seen, head ledger.Head) {
	if o.Log == nil {
		return
	}
	about := []any{"dir", o.Dir, "position", head.Position.String(), "on_empty", o.OnEmpty.String()}
	switch {
	case seen != (ledger.Head{}):
		o.Log.Warn("the ledger's directory is empty, though this machine has seen a ledger of it: a new one begins, and everybody who signed in before is signed out; restore a backup before anything is written, if there is one",
			append(about, "seen", seen.Position.String())...)
	case o.OnEmpty == Start:
		o.Log.Info("the ledger's directory is empty: a new one begins, and nobody is signed out", about...)
	default:
		o.Log.Warn("the ledger's directory is empty: a new one begins, and everybody who signed in before is signed out; on_empty start trusts who is signed in", about...)
	}
}

// genesis is the record that begins an epoch. Recorded is the newest instant of
// the epochs before it, zero where there are none. What it signs out is no less
// than what was verified here: the clock may be behind.
func (o Options) genesis(recorded time.Time) revocation.Record {
	now := o.now()
	var before time.Time // nobody is signed out
	if o.OnEmpty != Start {
		before = now
		if newest := NewestOf(o.Dir, o.Witness).latest(); newest.After(before) {
			before = newest
		}
		if recorded.After(before) && recorded.Sub(now) <= revocation.MostAhead {
			before = recorded
		}
	}
	by := revocation.Author{
		Source:    "genesis",
		RequestID: rand.Text(), // no other ledger begins like this one
	}
	return revocation.NewGenesis(by, now, before, o.Skew)
}

// damaged wraps [ledger.ErrIntegrity] and names the mend.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w; `caddy curfew doctor` says what can be done", ledger.ErrIntegrity, fmt.Errorf(format, args...))
}
