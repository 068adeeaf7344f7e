package local_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

func TestGenesis(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 700e6, time.UTC)
	for onEmpty, through := range map[local.OnEmpty]int64{
		local.SignOutAll: now.Unix() + 3, // 0.7 s + 2.5 s
		local.Start:      0,
	} {
		t.Run(onEmpty.String(), func(t *testing.T) {
			o := local.Options{Dir: t.TempDir(), OnEmpty: onEmpty, Skew: 2500 * time.Millisecond, Now: func() time.Time { return now }}
			l, err := local.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			r, err := l.Get(t.Context(), revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 1}})
			if err != nil || r.Type != revocation.Genesis || r.Through != through || r.Time != now.UnixMilli() || r.Source != "genesis" {
				t.Errorf("%+v, %v; want a genesis through %d", r, err, through)
			}
		})
	}
}

func TestInit(t *testing.T) {
	o := local.Options{Dir: t.TempDir(), OnEmpty: local.Refuse}
	if _, err := local.Open(o); !errors.Is(err, ledger.ErrUninitialised) {
		t.Fatalf("opening: %v, want ErrUninitialised", err)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) > 0 {
		t.Errorf("a refused start left %v", left)
	}
	if err := local.Init(o); err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := l.Get(t.Context(), revocation.Ref{Position: l.Head().Position}); err != nil || r.Through == 0 {
		t.Errorf("initialised with %+v, %v; want everybody signed out", r, err)
	}
	l.Close()
	if err := local.Init(o); err == nil {
		t.Error("it was initialised again")
	}
}

func TestAdopt(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir, older string)
		kept   int // number of entries, out of 1 + 20, that must still be there
	}{
		"nothing wrong": {func(*testing.T, string, string) {}, 21},
		"older log":     {func(t *testing.T, dir, older string) { write(t, logOf(dir), contents(t, logOf(older))) }, 11},
		"lost log":      {func(_ *testing.T, dir, _ string) { os.Remove(logOf(dir)) }, 0},
		"lost position": {func(_ *testing.T, dir, _ string) { os.Remove(positionOf(dir)) }, 21},
		"newest meta page": {func(t *testing.T, dir, _ string) {
			b := contents(t, logOf(dir))
			copy(b[newestMeta(b)+16:], make([]byte, 64))
			write(t, logOf(dir), b)
		}, 20},
		"both meta pages": {func(t *testing.T, dir, _ string) {
			b := contents(t, logOf(dir))
			copy(b, make([]byte, 2*4096))
			write(t, logOf(dir), b)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir, witness := t.TempDir(), filepath.Join(t.TempDir(), "witness")
			o := local.Options{Dir: dir, Witness: witness}
			acked := fillIn(t, o, 10)
			older := copyDir(t, dir)
			maps.Copy(acked, fillIn(t, o, 10))
			c.damage(t, dir, older)
			before := contentsIfAny(logOf(dir))

			report, err := local.Adopt(o)
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Problems) > 0 || report.Epoch != 2 || report.Sequence != 1 || report.Entries != uint64(c.kept)+1 {
				t.Errorf("report: %v; want position 2.1, %d entries", report, c.kept+1)
			}
			l, err := local.Open(o)
			if err != nil {
				t.Fatalf("opening what was adopted: %v", err)
			}
			defer l.Close()
			maps.DeleteFunc(acked, func(p revocation.Position, _ string) bool { return p.Sequence > uint64(c.kept) })
			verify(t, l, acked)
			if r, err := l.Get(t.Context(), revocation.Ref{Position: revocation.Position{Epoch: 2, Sequence: 1}}); err != nil || r.Type != revocation.Genesis || r.Through == 0 {
				t.Errorf("the new epoch begins with %+v, %v; want everybody signed out", r, err)
			}
			if c.kept > 2 {
				found, err := l.Search(t.Context(), ledger.Page{Issuer: "https://login.example.com", Subject: "user-record-0"})
				if err != nil || len(found) == 0 {
					t.Errorf("the history after adopting: %v, %v", found, err)
				}
			}
			if before != nil && string(contentsIfAny(aside(t, dir))) != string(before) {
				t.Error("the old log was not kept as it was")
			}
		})
	}
}

func TestAdoptTrusting(t *testing.T) {
	dir, _ := fill(t, 3)
	if _, err := local.Adopt(local.Options{Dir: dir, OnEmpty: local.Start}); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, dir)
	if r, err := l.Get(t.Context(), revocation.Ref{Position: l.Head().Position}); err != nil || r.Through != 0 {
		t.Errorf("the new epoch begins with %+v, %v; want nobody signed out", r, err)
	}
}

func TestAdoptEmpty(t *testing.T) {
	if _, err := local.Adopt(local.Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "init") {
		t.Errorf("adopting nothing: %v, want to be told of init", err)
	}
}

func TestInspect(t *testing.T) {
	dir, _ := fill(t, 7)
	before := contents(t, logOf(dir))
	r := local.Inspect(dir, "")
	if len(r.Problems) > 0 || r.Epoch != 1 || r.Sequence != 8 || r.Entries != 8 || r.Records != 8 || r.Bytes["ledger.db"] == 0 {
		t.Errorf("report of a sound ledger: %+v", r)
	}
	if string(contents(t, logOf(dir))) != string(before) {
		t.Error("inspecting changed the log")
	}
	for code, dir := range map[string]string{local.ProblemEmpty: t.TempDir(), local.ProblemDirectory: "/nonexistent"} {
		r := local.Inspect(dir, "")
		if len(r.Problems) != 1 || r.Problems[0].Code != code || r.Problems[0].Mend == "" {
			t.Errorf("%s: %+v", code, r)
		}
	}
}

func contentsIfAny(path string) []byte {
	b, _ := os.ReadFile(path)
	return b
}

// aside returns the path of the log that was set aside.
func aside(t *testing.T, dir string) string {
	t.Helper()
	paths, err := filepath.Glob(logOf(dir) + ".damaged-*")
	if err != nil || len(paths) != 1 {
		t.Fatalf("set aside: %v, %v", paths, err)
	}
	return paths[0]
}
