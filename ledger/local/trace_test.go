package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// The newest head that this machine has seen of a ledger counts in any directory.
func TestF5CopyElsewhere(t *testing.T) {
	seen := t.TempDir()
	in := func(dir string) local.Options {
		return local.Options{Dir: dir, Witness: filepath.Join(seen, filepath.Base(filepath.Dir(dir))+filepath.Base(dir))}
	}
	opens := func(dir string) {
		t.Helper()
		l, err := local.Open(in(dir))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	tells := func(dir string, want ...string) {
		t.Helper()
		r := local.Inspect(dir, in(dir).Witness)
		if len(r.Problems) != len(want) || len(want) > 0 && r.Problems[0].Code != want[0] {
			t.Errorf("the report says %v, want %v", r.Problems, want)
		}
	}

	dir := t.TempDir()
	fillIn(t, in(dir), 5)
	older, branched := copyDir(t, dir), copyDir(t, dir)
	for range 2 { // the second one on a machine that has not seen the first
		fillIn(t, local.Options{Dir: branched}, 4)
	}
	fillIn(t, in(dir), 5)

	refused(t, in(older))
	refused(t, in(branched))
	tells(older, local.ProblemOlder)
	tells(branched, local.ProblemOlder)

	fillIn(t, in(t.TempDir()), 1) // another ledger does not affect it
	moved := copyDir(t, dir)
	tells(moved)
	opens(moved)
	fillIn(t, in(moved), 1)
	refused(t, in(dir)) // it is the older copy now

	if report, err := local.Adopt(in(older)); err != nil || len(report.Problems) > 0 || report.Epoch != 2 {
		t.Fatalf("adopting: %v, %v", report, err)
	}
	opens(older)
	tells(older)
	refused(t, in(moved))
	tells(moved, local.ProblemOlder)
	opens(copyDir(t, older)) // it keeps its identity
}

// Two copies with new entries are two ledgers. The witness may not have the last
// acknowledged entries of either.
func TestCopyInUse(t *testing.T) {
	seen, dir := t.TempDir(), t.TempDir()
	o := local.Options{Dir: dir, Witness: filepath.Join(seen, "a")}
	fillIn(t, o, 5)
	other := local.Options{Dir: copyDir(t, dir), Witness: filepath.Join(seen, "b")}
	before := contents(t, positionOf(other.Dir))
	l, err := local.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Append(t.Context(), []revocation.Record{record("r")}, ledger.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Open(other); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("opening a copy: %v, want ErrLocked", err)
	}
	if _, err := local.Adopt(other); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("adopting a copy: %v, want ErrLocked", err)
	}
	if string(contents(t, positionOf(other.Dir))) != string(before) {
		t.Error("a copy that was refused has changed")
	}
	l.Close()
	refused(t, other)
}

// An unreadable trace is written anew, like an unreadable witness.
func TestDamagedTrace(t *testing.T) {
	seen := t.TempDir()
	o := local.Options{Dir: t.TempDir(), Witness: filepath.Join(seen, "witness")}
	fillIn(t, o, 3)
	traces, err := filepath.Glob(filepath.Join(seen, "ledger-*", "position"))
	if err != nil || len(traces) != 1 {
		t.Fatalf("found %v, %v", traces, err)
	}
	write(t, traces[0], []byte("nonsense"))
	if r := local.Inspect(o.Dir, o.Witness); len(r.Problems) != 1 || r.Problems[0].Code != local.ProblemWitness {
		t.Errorf("the report says %v", r.Problems)
	}
	fillIn(t, o, 1)
	if r := local.Inspect(o.Dir, o.Witness); len(r.Problems) > 0 {
		t.Errorf("the report says %v", r.Problems)
	}
	if err := os.RemoveAll(seen); err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(o) // it can't write a trace
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if l.WitnessErr() == nil {
		t.Error("no error about a witness that can't be written")
	}
}
