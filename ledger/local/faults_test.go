package local_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"curfew.dev/curfew/internal/seedtest"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// The tests are named after the fault table: F-1 is a kill, F-3 a torn file. Tests
// that need root are in e2e_test.go.

func mustOpen(t *testing.T, dir string) *local.Ledger {
	t.Helper()
	l, err := local.Open(local.Options{Dir: dir})
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// fill makes a ledger of n entries in a new directory and closes it.
func fill(t *testing.T, n int) (dir string, acked map[revocation.Position]string) {
	t.Helper()
	dir = t.TempDir()
	return dir, fillIn(t, local.Options{Dir: dir}, n)
}

func fillIn(t *testing.T, o local.Options, n int) map[revocation.Position]string {
	t.Helper()
	acked := map[revocation.Position]string{}
	l, err := local.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		reason := fmt.Sprintf("record-%d", i)
		p, _, err := l.Append(t.Context(), []revocation.Record{record(reason)}, ledger.Idempotency{})
		if err != nil {
			t.Fatal(err)
		}
		acked[p] = reason
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return acked
}

func logOf(dir string) string      { return filepath.Join(dir, "ledger.db") }
func positionOf(dir string) string { return filepath.Join(dir, "position") }

func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyDir copies the files of a ledger to a new directory.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	write(t, logOf(to), contents(t, logOf(from)))
	write(t, positionOf(to), contents(t, positionOf(from)))
	return to
}

// refused checks that a directory can't be opened.
func refused(t *testing.T, o local.Options) {
	t.Helper()
	l, err := local.Open(o)
	if err == nil {
		l.Close()
		t.Fatal("it opened, want ErrIntegrity")
	}
	if !errors.Is(err, ledger.ErrIntegrity) {
		t.Fatalf("opening: %v, want ErrIntegrity", err)
	}
}

// neverLess opens a ledger whose files were tampered with. The ledger must be
// refused or have every acknowledged entry, also after one more append.
func neverLess(dir string, acked map[revocation.Position]string) (refused bool, err error) {
	refusal := func(err error) (bool, error) {
		if errors.Is(err, ledger.ErrIntegrity) {
			return true, nil
		}
		return false, err
	}
	for range 2 {
		l, err := local.Open(local.Options{Dir: dir})
		if err != nil {
			return refusal(err)
		}
		if err = intact(l, acked); err == nil {
			_, _, err = l.Append(context.Background(), []revocation.Record{record("more")}, ledger.Idempotency{})
		}
		l.Close()
		if err != nil {
			return refusal(err)
		}
	}
	return false, nil
}

func TestF1Kill(t *testing.T) {
	dir := t.TempDir()
	acked := map[revocation.Position]string{}
	var head revocation.Position
	random := seedtest.New(t)
	for range long(20, 200) {
		w := startWriter(t, dir)
		w.await(t, 1)
		time.Sleep(time.Duration(random.Int64N(int64(30 * time.Millisecond))))
		w.kill()
		for p, reason := range w.snapshot() {
			acked[p] = reason
		}
		l := mustOpen(t, dir)
		if p := l.Head().Position; p.Compare(head) < 0 {
			t.Fatalf("the head went back from %s to %s", head, p)
		}
		head = l.Head().Position
		verify(t, l, acked)
		l.Close()
	}
	t.Logf("%d acknowledged, 0 lost", len(acked))
}

func TestF3Torn(t *testing.T) {
	dir, acked := fill(t, 300)
	log := contents(t, logOf(dir))
	work := copyDir(t, dir)
	step := long(8<<10, 512)
	tears := map[string]func(at int) []byte{
		"cut":    func(at int) []byte { return log[:at] },
		"zeroed": func(at int) []byte { return append(log[:at:at], make([]byte, len(log)-at)...) },
	}
	for name, tear := range tears {
		refusals := 0
		for at := 0; at < len(log); at += step {
			write(t, logOf(work), tear(at))
			write(t, positionOf(work), contents(t, positionOf(dir)))
			no, err := neverLess(work, acked)
			if err != nil {
				t.Fatalf("%s at %d of %d: %v", name, at, len(log), err)
			}
			if no {
				refusals++
			}
		}
		if refusals == 0 {
			t.Errorf("%s: nothing was ever refused", name)
		}
	}

	slots := contents(t, positionOf(dir))
	write(t, logOf(work), log)
	for at := 0; at <= len(slots); at += 64 {
		write(t, positionOf(work), slots[:at])
		if _, err := neverLess(work, acked); err != nil {
			t.Fatalf("position cut at %d: %v", at, err)
		}
	}
}

func TestF4Flipped(t *testing.T) {
	dir, acked := fill(t, 300)
	log, slots := contents(t, logOf(dir)), contents(t, positionOf(dir))
	work := copyDir(t, dir)
	flip := func(b []byte, bit int) []byte {
		b = append([]byte(nil), b...)
		b[bit/8] ^= 1 << (bit % 8)
		return b
	}
	random := seedtest.New(t)
	refusals := 0
	for range long(200, 5000) {
		bit := random.IntN(len(log) * 8)
		write(t, logOf(work), flip(log, bit))
		write(t, positionOf(work), slots)
		no, err := neverLess(work, acked)
		if err != nil {
			t.Fatalf("bit %d of ledger.db: %v", bit, err)
		}
		if no {
			refusals++
		}
	}
	if refusals == 0 {
		t.Error("no flipped bit was ever noticed")
	}
	for range long(50, 1000) {
		bit := random.IntN(len(slots) * 8)
		write(t, logOf(work), log)
		write(t, positionOf(work), flip(slots, bit))
		if _, err := neverLess(work, acked); err != nil {
			t.Fatalf("bit %d of position: %v", bit, err)
		}
	}
}

// After a flipped bit in its newest meta page, bbolt uses the other one without an
// error, and the last entry is gone.
func TestF4NewestMetaPage(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	if _, _, err := l.Append(t.Context(), []revocation.Record{record("last")}, ledger.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	// The files are as after a kill, because closing commits nothing.
	l.Close()
	log := contents(t, logOf(dir))
	newest := newestMeta(log)
	for bit := range 64 * 8 {
		log[newest+16+bit/8] ^= 1 << (bit % 8)
		write(t, logOf(dir), log)
		refused(t, local.Options{Dir: dir})
		log[newest+16+bit/8] ^= 1 << (bit % 8)
	}
	write(t, logOf(dir), log)
	mustOpen(t, dir)
}

// newestMeta returns the offset of the meta page that bbolt uses.
func newestMeta(log []byte) int {
	page := int(binary.NativeEndian.Uint32(log[16+8:]))
	txid := func(at int) uint64 { return binary.NativeEndian.Uint64(log[at+16+48:]) }
	if txid(page) > txid(0) {
		return page
	}
	return 0
}

func TestF5LostOrSwapped(t *testing.T) {
	dir, acked := fill(t, 20)
	other, _ := fill(t, 20)
	older := copyDir(t, dir)
	fillIn(t, local.Options{Dir: dir}, 20)

	for name, swap := range map[string]func(t *testing.T, work string){
		"the log is lost":                func(t *testing.T, work string) { os.Remove(logOf(work)) },
		"the position is lost":           func(t *testing.T, work string) { os.Remove(positionOf(work)) },
		"the log is empty":               func(t *testing.T, work string) { write(t, logOf(work), nil) },
		"the position is empty":          func(t *testing.T, work string) { write(t, positionOf(work), nil) },
		"the log is an older copy":       func(t *testing.T, work string) { write(t, logOf(work), contents(t, logOf(older))) },
		"the log is another":             func(t *testing.T, work string) { write(t, logOf(work), contents(t, logOf(other))) },
		"the position is another's":      func(t *testing.T, work string) { write(t, positionOf(work), contents(t, positionOf(other))) },
		"the log is something else":      func(t *testing.T, work string) { write(t, logOf(work), make([]byte, 1<<16)) },
		"the position is something else": func(t *testing.T, work string) { write(t, positionOf(work), make([]byte, 1<<16)) },
		"the log is a directory":         func(t *testing.T, work string) { os.Remove(logOf(work)); os.Mkdir(logOf(work), 0o700) },
		"a staged log beside a lost log": func(t *testing.T, work string) {
			os.Rename(logOf(work), logOf(work)+".new")
			write(t, logOf(work)+".new", contents(t, logOf(older)))
		},
		"a staged log beside no position": func(t *testing.T, work string) {
			os.Remove(positionOf(work))
			write(t, logOf(work)+".new", contents(t, logOf(older)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			work := copyDir(t, dir)
			swap(t, work)
			refused(t, local.Options{Dir: work})
			if r := local.Inspect(work, ""); len(r.Problems) == 0 {
				t.Error("the report has no problem")
			}
		})
	}
	t.Run("the position is an older copy", func(t *testing.T) {
		work := copyDir(t, dir)
		write(t, positionOf(work), contents(t, positionOf(older)))
		l := mustOpen(t, work) // the log is ahead of the position, as after a crash: no entry is missing
		verify(t, l, acked)
	})
}

func TestF5Witness(t *testing.T) {
	dir, witness := t.TempDir(), filepath.Join(t.TempDir(), "witness")
	o := local.Options{Dir: dir, Witness: witness}
	fillIn(t, o, 5)
	older := copyDir(t, dir)
	fillIn(t, o, 5)
	other, _ := fill(t, 50)

	t.Run("current", func(t *testing.T) {
		l, err := local.Open(local.Options{Dir: copyDir(t, dir), Witness: copyOf(t, witness)})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	})
	for name, work := range map[string]string{"an older copy": older, "another ledger": other} {
		t.Run(name, func(t *testing.T) {
			refused(t, local.Options{Dir: work, Witness: copyOf(t, witness)})
		})
	}
	for _, onEmpty := range []local.OnEmpty{local.SignOutAll, local.Start} {
		t.Run("lost "+onEmpty.String(), func(t *testing.T) {
			l, err := local.Open(local.Options{Dir: t.TempDir(), Witness: copyOf(t, witness), OnEmpty: onEmpty})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if got, want := l.Head().Position, (revocation.Position{Epoch: 2, Sequence: 1}); got != want {
				t.Errorf("a lost ledger begins at %s, want %s", got, want)
			}
			if r, err := l.Get(t.Context(), revocation.Ref{Position: l.Head().Position}); err != nil || r.Through == 0 {
				t.Errorf("genesis: %+v, %v; want everybody signed out", r, err)
			}
		})
	}
	t.Run("lost refuse", func(t *testing.T) {
		_, err := local.Open(local.Options{Dir: t.TempDir(), Witness: copyOf(t, witness), OnEmpty: local.Refuse})
		if !errors.Is(err, ledger.ErrUninitialised) {
			t.Errorf("%v, want ErrUninitialised", err)
		}
	})
	t.Run("lost with a damaged witness", func(t *testing.T) {
		damaged := filepath.Join(t.TempDir(), "witness")
		write(t, damaged, []byte("nonsense"))
		refused(t, local.Options{Dir: t.TempDir(), Witness: damaged})
	})
	t.Run("unwritable", func(t *testing.T) {
		l, err := local.Open(local.Options{Dir: t.TempDir(), Witness: "/nonexistent/witness"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.Append(t.Context(), []revocation.Record{record("r")}, ledger.Idempotency{}); err != nil {
			t.Errorf("appending: %v", err)
		}
		l.Close()
		if l.WitnessErr() == nil {
			t.Error("no error about a witness that can't be written")
		}
	})
}

func copyOf(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	write(t, to, contents(t, path))
	return to
}

func TestF5SwappedWhileRunning(t *testing.T) {
	for name, swap := range map[string]func(t *testing.T, dir string){
		"log replaced": func(t *testing.T, dir string) {
			write(t, logOf(dir)+".tmp", contents(t, logOf(dir)))
			if err := os.Rename(logOf(dir)+".tmp", logOf(dir)); err != nil {
				t.Fatal(err)
			}
		},
		"log removed":      func(_ *testing.T, dir string) { os.Remove(logOf(dir)) },
		"position removed": func(_ *testing.T, dir string) { os.Remove(positionOf(dir)) },
		"directory moved":  func(_ *testing.T, dir string) { os.Rename(dir, dir+"-moved") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ledger")
			os.Mkdir(dir, 0o700)
			l := mustOpen(t, dir)
			swap(t, dir)
			for range 2 {
				if _, _, err := l.Append(t.Context(), []revocation.Record{record("r")}, ledger.Idempotency{}); !errors.Is(err, ledger.ErrIntegrity) {
					t.Errorf("appending: %v, want ErrIntegrity", err)
				}
			}
			if !errors.Is(l.Err(), ledger.ErrIntegrity) {
				t.Errorf("Err is %v, want ErrIntegrity", l.Err())
			}
		})
	}
}

func TestF6TwoProcesses(t *testing.T) {
	dir := t.TempDir()
	w := startWriter(t, dir)
	defer w.kill()
	w.await(t, 1)
	start := time.Now()
	if _, err := local.Open(local.Options{Dir: dir}); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("a second process: %v, want ErrLocked", err)
	}
	if d := time.Since(start); d > 10*time.Second { // it waits 0.7 s for the other one to end
		t.Errorf("it took %s to say so", d)
	}
	if r := local.Inspect(dir, ""); len(r.Problems) != 1 || r.Problems[0].Code != local.ProblemLocked {
		t.Errorf("the report of a ledger in use: %v", r)
	}
	if _, err := local.Adopt(local.Options{Dir: dir}); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("adopting: %v, want ErrLocked", err)
	}
}

func TestF6TwiceInProcess(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir)
	if _, err := local.Open(local.Options{Dir: dir}); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("a second ledger: %v, want ErrLocked", err)
	}
}

// A thousand appends of the same request write one entry.
func TestF22Duplicates(t *testing.T) {
	dir := t.TempDir()
	key := ledger.Idempotency{Key: [32]byte{1}, Request: [32]byte{2}, Expires: time.Now().Add(time.Hour)}
	var first revocation.Position
	for range 4 {
		l := mustOpen(t, dir)
		for range 250 {
			p, replayed, err := l.Append(t.Context(), []revocation.Record{record("r")}, key)
			if err != nil || replayed != (first != revocation.Position{}) || replayed && p != first {
				t.Fatalf("%s, replayed %t, %v; the first was %s", p, replayed, err, first)
			}
			first = p
		}
		l.Close()
	}
	if got := mustOpen(t, dir).Head().Position; got != first {
		t.Errorf("the head is %s, want %s", got, first)
	}
}
