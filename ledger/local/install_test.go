package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// The next start completes or undoes a first start that crashed after any step.
func TestInterruptedBegin(t *testing.T) {
	steps := len(installation{}.steps())
	for done := range steps + 1 {
		t.Run(fmt.Sprint("after step ", done), func(t *testing.T) {
			o := Options{Dir: t.TempDir()}
			runSteps(t, installation{dir: o.Dir, epoch: 1, genesis: o.genesis(time.Time{})}, done)
			opens(t, o, revocation.Position{Epoch: 1, Sequence: 1})
		})
	}
	for _, name := range []string{fileLog, filePosition} {
		for _, size := range []int64{0, 100, 4096, 9000, 16384} {
			t.Run(fmt.Sprintf("%s torn at %d", name, size), func(t *testing.T) {
				o := Options{Dir: t.TempDir()}
				runSteps(t, installation{dir: o.Dir, epoch: 1, genesis: o.genesis(time.Time{})}, 1)
				if err := os.Truncate(filepath.Join(o.Dir, name+staged), size); err != nil {
					t.Fatal(err)
				}
				opens(t, o, revocation.Position{Epoch: 1, Sequence: 1})
			})
		}
	}
}

// After a crash during adopting, the directory has the old ledger, still refused, or
// the adopted one. Adopting again succeeds.
func TestInterruptedAdopt(t *testing.T) {
	steps := len(installation{}.steps())
	for done := range steps + 1 {
		t.Run(fmt.Sprint("after step ", done), func(t *testing.T) {
			o := Options{Dir: t.TempDir(), Witness: filepath.Join(t.TempDir(), "witness")}
			l := mustOpen(t, o)
			mustAppend(t, l, 5)
			l.Close()
			if err := os.Truncate(filepath.Join(o.Dir, fileLog), 12<<10); err != nil {
				t.Fatal(err)
			}
			seen, err := readWitness(o.Witness)
			if err != nil {
				t.Fatal(err)
			}
			prefix := findPrefix(filepath.Join(o.Dir, fileLog))
			runSteps(t, installation{
				dir: o.Dir, epoch: 2, succeeds: seen, salvage: prefix.copyTo, genesis: o.genesis(time.Time{}), aside: ".damaged-then",
			}, done)

			l, err = Open(o)
			if err == nil {
				if p := l.Head().Position; p != (revocation.Position{Epoch: 2, Sequence: 1}) {
					t.Errorf("the adopted ledger is at %s", p)
				}
				l.Close()
				return
			}
			if !errors.Is(err, ledger.ErrIntegrity) {
				t.Fatalf("opening: %v, want ErrIntegrity", err)
			}
			if _, err := Adopt(o); err != nil {
				t.Fatalf("adopting again: %v", err)
			}
			mustOpen(t, o).Close()
		})
	}
}

// A ledger that replaces a lost one is accepted even if the witness could not be
// written since.
func TestWitnessOfReplaced(t *testing.T) {
	o := Options{Dir: t.TempDir(), Witness: filepath.Join(t.TempDir(), "witness")}
	l := mustOpen(t, o)
	mustAppend(t, l, 3)
	l.Close()
	seen, err := readWitness(o.Witness)
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	runSteps(t, installation{dir: o.Dir, epoch: 2, succeeds: seen, genesis: o.genesis(time.Time{})}, len(installation{}.steps()))
	opens(t, o, revocation.Position{Epoch: 2, Sequence: 1})
}

func runSteps(t *testing.T, i installation, n int) {
	t.Helper()
	for _, step := range i.steps()[:n] {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

func opens(t *testing.T, o Options, want revocation.Position) {
	t.Helper()
	for range 2 {
		l := mustOpen(t, o)
		if p := l.Head().Position; p != want {
			t.Errorf("it opened at %s, want %s", p, want)
		}
		l.Close()
	}
	left, err := filepath.Glob(filepath.Join(o.Dir, "*"+staged))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func mustOpen(t *testing.T, o Options) *Ledger {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func cut(reason string) []revocation.Record {
	return []revocation.Record{{
		Type:    revocation.Cut,
		Target:  revocation.Target{Issuer: "https://login.example.com", Subject: "alice"},
		Mode:    revocation.SignIn,
		Through: 1_760_000_002,
		Reason:  reason,
	}}
}

func mustAppend(t *testing.T, l *Ledger, n int) (last revocation.Position) {
	t.Helper()
	for i := range n {
		p, _, err := l.Append(t.Context(), cut(fmt.Sprint(i)), ledger.Idempotency{})
		if err != nil {
			t.Fatalf("appending: %v", err)
		}
		last = p
	}
	return last
}

// A staged log that can't be read now may be the one that counts, so it must not be
// removed.
func TestSettleClearsNothingItCouldNotRead(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	l := mustOpen(t, o)
	mustAppend(t, l, 5)
	l.Close()
	runSteps(t, installation{dir: o.Dir, epoch: 2, genesis: o.genesis(time.Time{}), aside: ".damaged-then"}, 6)
	inUse, err := bolt.Open(filepath.Join(o.Dir, fileLog+staged), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := Open(o); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("opened %v, %v; want ErrLocked", l, err)
	}
	inUse.Close()
	opens(t, o, revocation.Position{Epoch: 2, Sequence: 1})
}

// The index has no room for more epochs: it would name records wrongly.
func TestTheLastEpoch(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	if err := (installation{dir: o.Dir, epoch: revocation.MaxEpoch + 1, genesis: o.genesis(time.Time{})}).run(); err == nil {
		t.Error("an epoch beyond the last was begun")
	}
	if empty, err := isEmpty(o.Dir); !empty || err != nil {
		t.Errorf("it left something: %v", err)
	}
	if err := (installation{dir: o.Dir, epoch: revocation.MaxEpoch, genesis: o.genesis(time.Time{})}).run(); err != nil {
		t.Error(err)
	}
}
