package local

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"curfew.dev/curfew/revocation"
)

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// Close removes a ledger only if this opening began it, it has only its genesis,
// and Withdraw says so.
func TestWithdraw(t *testing.T) {
	always := func() bool { return true }
	for name, c := range map[string]struct {
		withdraw func() bool
		use      func(t *testing.T, o Options, l *Ledger)
		gone     bool
	}{
		"begun for nothing": {always, func(*testing.T, Options, *Ledger) {}, true},
		"not asked to":      {nil, func(*testing.T, Options, *Ledger) {}, false},
		"asked not to":      {func() bool { return false }, func(*testing.T, Options, *Ledger) {}, false},
		"written to":        {always, func(t *testing.T, _ Options, l *Ledger) { mustAppend(t, l, 1) }, false},
		"swapped": {always, func(t *testing.T, o Options, _ *Ledger) {
			path := filepath.Join(o.Dir, fileLog)
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path+".tmp", b, 0o600)
			}
			if err == nil {
				err = os.Rename(path+".tmp", path)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			seen := t.TempDir()
			o := Options{Dir: t.TempDir(), Witness: filepath.Join(seen, "witness"), Withdraw: c.withdraw}
			l := mustOpen(t, o)
			c.use(t, o, l)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			left, known := filesIn(t, o.Dir), filesIn(t, seen)
			if gone := len(left) == 0 && len(known) == 0; gone != c.gone || !gone && (len(left) != 2 || len(known) != 2) {
				t.Fatalf("left %v and %v; want it gone: %v", left, known, c.gone)
			}
			o.Withdraw = always
			if !c.gone {
				mustOpen(t, o).Close() // it was there before
				if left := filesIn(t, o.Dir); len(left) != 2 {
					t.Errorf("opened and closed again, it left %v", left)
				}
			}
		})
	}
}

// The next ledger signs out everybody who signed in meanwhile.
func TestWithdrawnBeginsAnew(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	o := Options{Dir: t.TempDir(), Witness: filepath.Join(t.TempDir(), "witness"), Now: func() time.Time { return now }}
	withdrawn := o
	withdrawn.Withdraw = func() bool { return true }
	mustOpen(t, withdrawn).Close()
	now = now.Add(time.Hour)
	l := mustOpen(t, o)
	first := revocation.Position{Epoch: 1, Sequence: 1}
	r, err := l.Get(t.Context(), revocation.Ref{Position: first})
	if err != nil || l.Head().Position != first || r.Through != now.Unix() {
		t.Errorf("it begins at %s with %+v, %v; want one through %d", l.Head().Position, r, err, now.Unix())
	}
}

// The witness of a lost ledger stays when its successor is withdrawn.
func TestWithdrawnSuccessor(t *testing.T) {
	o := Options{Dir: t.TempDir(), Witness: filepath.Join(t.TempDir(), "witness"), OnEmpty: Start}
	l := mustOpen(t, o)
	mustAppend(t, l, 3)
	l.Close()
	before, err := readWitness(o.Witness)
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	o.Withdraw = func() bool { return true }
	for range 2 {
		l := mustOpen(t, o)
		r, err := l.Get(t.Context(), revocation.Ref{Position: revocation.Position{Epoch: 2, Sequence: 1}})
		if err != nil || r.Through == 0 {
			t.Errorf("it begins with %+v, %v; want everybody signed out", r, err)
		}
		l.Close()
		if now, err := readWitness(o.Witness); err != nil || now != before {
			t.Errorf("the witness says %v, %v; want %v", now, err, before)
		}
	}
}

// After a crash during a withdrawal, all of the ledger is there, or the next one
// signs everybody out.
func TestInterruptedWithdraw(t *testing.T) {
	for done := range len(uninstallSteps("")) + 1 {
		t.Run(fmt.Sprint("after step ", done), func(t *testing.T) {
			o := Options{Dir: t.TempDir(), Witness: filepath.Join(t.TempDir(), "witness"), OnEmpty: Start}
			mustOpen(t, o).Close()
			for _, step := range uninstallSteps(o.Dir)[:done] {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
			l := mustOpen(t, o)
			head := l.Head().Position
			r, err := l.Get(t.Context(), revocation.Ref{Position: head})
			if err != nil || head.Epoch == 2 && r.Through == 0 || head.Epoch == 1 && done > 1 {
				t.Errorf("it is at %s with %+v, %v", head, r, err)
			}
		})
	}
}
