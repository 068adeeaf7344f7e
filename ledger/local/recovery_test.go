package local

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// breakFile makes the next write or sync of an open file fail.
func breakFile(t *testing.T, f *os.File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// After a failed sync nothing is acknowledged before the files were reopened and
// verified. The ledger then continues by itself.
func TestFailedSync(t *testing.T) {
	for name, c := range map[string]struct {
		broken func(*Ledger) *os.File
		want   error
	}{
		"of the position": {func(l *Ledger) *os.File { return l.position.file }, ledger.ErrOutcomeUnknown},
		"of the log":      {func(l *Ledger) *os.File { return l.store.file }, ledger.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir()}
			l := mustOpen(t, o)
			before := mustAppend(t, l, 3)
			breakFile(t, c.broken(l))
			key := ledger.Idempotency{Key: [32]byte{1}, Expires: time.Now().Add(time.Hour)}
			if _, _, err := l.Append(t.Context(), cut("failed"), key); !errors.Is(err, c.want) {
				t.Fatalf("appending: %v, want %v", err, c.want)
			}
			if p := l.Head().Position; p != before {
				t.Errorf("the head is %s after a failure, was %s", p, before)
			}
			// A retry with the same key finds the first append, or writes it.
			p, _, err := l.Append(t.Context(), cut("failed"), key)
			if err != nil || p.Sequence != before.Sequence+1 {
				t.Fatalf("again: %s, %v", p, err)
			}
			mustAppend(t, l, 3)
			head := l.Head()
			l.Close()
			if got := mustOpen(t, o).Head(); got != head {
				t.Errorf("reopened at %s, was %s", got.Position, head.Position)
			}
		})
	}
}

// A log that was cut during a failed sync is not accepted silently.
func TestFailedSyncAndLoss(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	l := mustOpen(t, o)
	old, err := os.ReadFile(filepath.Join(o.Dir, fileLog))
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, 3)
	breakFile(t, l.position.file)
	l.Append(t.Context(), cut("failed"), ledger.Idempotency{})
	if err := os.WriteFile(filepath.Join(o.Dir, fileLog), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Append(t.Context(), cut("again"), ledger.Idempotency{}); !errors.Is(err, ledger.ErrIntegrity) {
		t.Errorf("appending: %v, want ErrIntegrity", err)
	}
	if err := l.Read(t.Context(), revocation.Position{}, func(revocation.Entry) error { return nil }); !errors.Is(err, ledger.ErrIntegrity) {
		t.Errorf("reading: %v, want ErrIntegrity", err)
	}
}

// tamper changes the log as a program that knows bbolt would.
func tamper(t *testing.T, dir string, fn func(log, head *bolt.Bucket) error) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, fileLog), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(func(tx *bolt.Tx) error { return fn(tx.Bucket(bucketLog), tx.Bucket(bucketHead)) }); err != nil {
		t.Fatal(err)
	}
}

func TestTampered(t *testing.T) {
	key := func(n uint64) []byte { return appendPosition(nil, revocation.Position{Epoch: 1, Sequence: n}) }
	for name, fn := range map[string]func(log, head *bolt.Bucket) error{
		"a gap":        func(log, _ *bolt.Bucket) error { return log.Delete(key(3)) },
		"no beginning": func(log, _ *bolt.Bucket) error { return log.Delete(key(1)) },
		"no end":       func(log, _ *bolt.Bucket) error { return log.Delete(key(6)) },
		"one too many": func(log, _ *bolt.Bucket) error { return log.Put(key(7), log.Get(key(6))) },
		"another epoch": func(log, _ *bolt.Bucket) error {
			return log.Put(appendPosition(nil, revocation.Position{}), log.Get(key(6)))
		},
		"a short value": func(log, _ *bolt.Bucket) error { return log.Put(key(3), []byte("x")) },
		"a short key":   func(log, _ *bolt.Bucket) error { return log.Put([]byte{0}, log.Get(key(3))) },
		"two swapped": func(log, _ *bolt.Bucket) error {
			three, four := string(log.Get(key(3))), string(log.Get(key(4)))
			return errors.Join(log.Put(key(3), []byte(four)), log.Put(key(4), []byte(three)))
		},
		"a changed record": func(log, _ *bolt.Bucket) error {
			v := []byte(string(log.Get(key(3))))
			v[len(v)-1] ^= 1
			return log.Put(key(3), v)
		},
		"no head":              func(_, head *bolt.Bucket) error { return head.Delete(keyHead) },
		"a newer format":       func(_, head *bolt.Bucket) error { return head.Put(keyHead, []byte{formatVersion + 1}) },
		"a newer record":       newerRecord,
		"a newer record ahead": newerRecord,
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir()}
			l := mustOpen(t, o)
			mustAppend(t, l, 5)
			l.Close()
			tamper(t, o.Dir, fn)
			l, err := Open(o)
			if err == nil {
				err = l.Read(t.Context(), revocation.Position{}, func(revocation.Entry) error { return nil })
				if l.Err() == nil {
					t.Error("Err is nil")
				}
				l.Close()
			}
			if !errors.Is(err, ledger.ErrIntegrity) {
				t.Errorf("%v, want ErrIntegrity", err)
			}
			if r := Inspect(o.Dir, ""); len(r.Problems) == 0 {
				t.Error("the report has no problem")
			}
		})
	}
}

// newerRecord appends an entry with a later encoding to a sound log.
func newerRecord(log, heads *bolt.Bucket) error {
	head, err := headOf(heads.Get(keyHead))
	if err != nil {
		return err
	}
	payload := []byte{99, 1, 2, 3}
	head.Position.Sequence++
	head.Chain = new(ledger.Chainer).Next(head.Chain, head.Position, payload)
	return errors.Join(
		log.Put(appendPosition(nil, head.Position), append(head.Chain[:], payload...)),
		heads.Put(keyHead, appendHead(nil, head)))
}

// Later appends remove expired keys.
func TestKeysAreForgotten(t *testing.T) {
	now := time.Unix(1_760_000_000, 0)
	l := mustOpen(t, Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	for round := range 5 {
		for i := range 20 {
			key := ledger.Idempotency{Key: [32]byte{1, byte(round), byte(i)}, Expires: now.Add(time.Minute)}
			if _, _, err := l.Append(t.Context(), cut("r"), key); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(2 * time.Minute)
	}
	mustAppend(t, l, 20)
	err := l.view(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketKeys, bucketExpiries} {
			if k, _ := tx.Bucket(name).Cursor().First(); k != nil {
				t.Errorf("%s still has %x", name, k)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A key that was used again after its expiry isn't forgotten with its first use.
func TestKeyUsedAnew(t *testing.T) {
	now := time.Unix(1_760_000_000, 0)
	l := mustOpen(t, Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	key := ledger.Idempotency{Key: [32]byte{1}, Expires: now.Add(time.Minute)}
	for range 3 {
		if _, replayed, err := l.Append(t.Context(), cut("r"), key); err != nil || replayed {
			t.Fatalf("replayed %t, %v", replayed, err)
		}
		if _, replayed, err := l.Append(t.Context(), cut("r"), key); err != nil || !replayed {
			t.Fatalf("again: replayed %t, %v", replayed, err)
		}
		now = now.Add(time.Minute)
		key.Expires = now.Add(time.Minute)
	}
}

// The witness is written at once, then at most once a second, and on close.
func TestWitnessRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "witness")
		says := func(want uint64) {
			t.Helper()
			synctest.Wait()
			if h, err := readWitness(path); err != nil || h.Position.Sequence != want {
				t.Errorf("the witness says %s, %v; want sequence %d", h.Position, err, want)
			}
		}
		w := newWitness(headAt(1), nil, path)
		says(1)
		w.see(headAt(2))
		w.see(headAt(3))
		says(1)
		time.Sleep(witnessInterval)
		says(3)
		w.see(headAt(4))
		w.close()
		says(4)
	})
}

// Expiries are in seconds and must not forget early.
func TestExpirySeconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nanos := rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "nanoseconds")
		at := time.Unix(0, nanos)
		if got := expirySeconds(at); time.Unix(got, 0).Before(at) || time.Unix(got-1, 0).After(at) {
			t.Errorf("%s expires at second %d", at, got)
		}
	})
	if got := expirySeconds(time.Time{}); got != 0 {
		t.Errorf("no time expires at %d, want 0", got)
	}
}

// Every written record is found again, in order, for any mixture of entries.
func TestSearchAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		l, err := Open(Options{Dir: dir})
		if err != nil {
			rt.Fatal(err)
		}
		defer l.Close()
		subjects := rapid.SampledFrom([]string{"a", "b", "ab"})
		var want []ledger.Located // of a, oldest first
		for range rapid.IntRange(1, 8).Draw(rt, "entries") {
			var records []revocation.Record
			for range rapid.IntRange(1, 4).Draw(rt, "records") {
				r := cut("")[0]
				r.Target.Subject = subjects.Draw(rt, "subject")
				records = append(records, r)
			}
			p, _, err := l.Append(t.Context(), records, ledger.Idempotency{})
			if err != nil {
				rt.Fatal(err)
			}
			for i, r := range records {
				if r.Target.Subject == "a" {
					want = append(want, ledger.Located{Ref: revocation.Ref{Position: p, Item: uint16(i)}, Record: r})
				}
			}
		}
		page := ledger.Page{Subject: "a", Limit: rapid.IntRange(1, 5).Draw(rt, "limit")}
		if rapid.Bool().Draw(rt, "by account") {
			page.Issuer = cut("")[0].Target.Issuer
		}
		for len(want) > 0 {
			found, err := l.Search(t.Context(), page)
			if err != nil || len(found) != min(page.Limit, len(want)) {
				rt.Fatalf("found %d of %d: %v", len(found), len(want), err)
			}
			for _, f := range found {
				if last := want[len(want)-1]; f.Ref != last.Ref {
					rt.Fatalf("found %s, want %s", f.Ref, last.Ref)
				}
				want, page.Before = want[:len(want)-1], f.Ref
			}
		}
		if found, err := l.Search(t.Context(), page); err != nil || len(found) > 0 {
			rt.Fatalf("found %v after the last, %v", found, err)
		}
	})
}

// Reading runs ahead of yield. A reader that stops early leaves no goroutine, and
// the ledger can be closed at once.
func TestReadStopsEarly(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	l := mustOpen(t, o)
	mustAppend(t, l, 1)
	var records []revocation.Record
	for range 4 {
		records = append(records, cut("r")[0])
	}
	for range 20 * chunksAhead { // of some chunks each
		if err := appendMany(t, l, records, chunkEntries/4); err != nil {
			t.Fatal(err)
		}
	}
	want := errors.New("enough")
	for _, stop := range []int{1, 2, chunkEntries, chunkEntries + 1, 4 * chunkEntries} {
		n := 0
		err := l.Read(t.Context(), revocation.Position{}, func(revocation.Entry) error {
			if n++; n == stop {
				return want
			}
			return nil
		})
		if !errors.Is(err, want) || n != stop {
			t.Errorf("stopped after %d of %d: %v", n, stop, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := l.Read(ctx, revocation.Position{}, func(revocation.Entry) error {
		n++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > chunkEntries {
		t.Errorf("cancelled after %d: %v", n, err)
	}
	err = l.Read(t.Context(), revocation.Position{}, func(revocation.Entry) error { return l.Close() })
	if err != nil && !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("closed while it was read: %v", err)
	}
}

// appendMany appends n entries from as many callers, which share the commits.
func appendMany(t *testing.T, l *Ledger, records []revocation.Record, n int) error {
	t.Helper()
	errs := make(chan error, n)
	for range n {
		go func() {
			_, _, err := l.Append(t.Context(), records, ledger.Idempotency{})
			errs <- err
		}()
	}
	var err error
	for range n {
		err = errors.Join(err, <-errs)
	}
	return err
}
