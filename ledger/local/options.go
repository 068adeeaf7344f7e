package local

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// OnEmpty says what an empty directory means, because a first start and a lost
// volume look the same.
type OnEmpty uint8

// The meanings of an empty directory.
const (
	// SignOutAll begins with a genesis record that refuses every session from
	// before now, so that losing a disk revives no revoked session.
	SignOutAll OnEmpty = iota
	// Start trusts the existing sessions. If the witness has seen a ledger, this
	// is no first start, and Open signs everybody out.
	Start
	// Refuse fails with [ledger.ErrUninitialised] until [Init] was called.
	Refuse
)

var onEmptyNames = [...]string{"sign_out_all", "start", "refuse"}

// String returns the name of the option in the configuration.
func (e OnEmpty) String() string {
	if int(e) >= len(onEmptyNames) {
		return ""
	}
	return onEmptyNames[e]
}

// Options say where a ledger is and how it begins.
type Options struct {
	// Dir is the directory of the ledger. It must exist.
	Dir string
	// OnEmpty says how a ledger begins in an empty directory. [Init] and
	// [Adopt] sign everybody out unless it is Start.
	OnEmpty OnEmpty
	// Witness is the path of a copy of the position outside Dir, empty for
	// none. Its directory also gets a trace named after the ledger itself.
	// Ledgers whose witnesses share a directory are therefore recognised in
	// every Dir. Both files are written at most once a second and on Close. An
	// error in writing them stops nothing; see [Ledger.WitnessErr].
	Witness string
	// Withdraw tells Close whether to remove a ledger that Open began and that
	// has no entries of its own, so that the next opening begins anew. With nil
	// the ledger stays.
	Withdraw func() bool
	// DocumentBytes limits the bytes of each collection of documents, and of all
	// lists together; 0 is [ledger.MaxCollection].
	DocumentBytes int64
	// Log receives what Open did with an empty directory or with documents that
	// can't be read; nil logs nothing.
	Log *slog.Logger
	// Skew is the clock skew that a genesis record allows for.
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

// knowing returns the options for a machine that has seen the head seen. If it
// has seen a ledger, everybody is signed out: a session that a lost ledger
// revoked must not come back.
func (o Options) knowing(seen ledger.Head) Options {
	if o.OnEmpty == Start && seen != (ledger.Head{}) {
		o.OnEmpty = SignOutAll
	}
	return o
}

// began logs what Open did with an empty directory. Its options are those before
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

// genesis returns the record that begins an epoch. The argument recorded is the
// newest instant of the epochs before it, or zero. The record signs out at least
// every token that was verified here, because the clock may be behind.
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
		RequestID: rand.Text(), // tells this genesis from every other
	}
	return revocation.NewGenesis(by, now, before, o.Skew)
}

// damaged returns an error that wraps [ledger.ErrIntegrity] and names the mend.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w; `caddy curfew doctor` says what can be done", ledger.ErrIntegrity, fmt.Errorf(format, args...))
}
