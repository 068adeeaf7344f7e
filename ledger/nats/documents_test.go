package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/ledgertest"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
)

func TestDocumentsOfThreeServers(t *testing.T) {
	c := natstest.Run(t, 3)
	ledgertest.RunDocuments(t, func(t *testing.T, dir string) ledger.Ledger {
		o := options(c, dir)
		o.DocumentBytes = 64 << 20
		l, err := nats.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		following(t, l)
		return l
	})
}

// Without most of the servers nothing can be written, and the caller gets an error
// before it gives up. Once they are back, every acknowledged document is there.
func TestDocumentsWithoutMostServers(t *testing.T) {
	c := natstest.Run(t, 3)
	e := join(t, fleetOptions(t, c, "a"))
	following(t, e.Ledger)
	d := e.documents()
	revision, err := d.Store(t.Context(), ledger.Accounts, aliceKey, []byte("kept"), 0)
	if err != nil {
		t.Fatal(err)
	}
	c.Stop(1)
	c.Stop(2)
	began := time.Now()
	_, err = d.Store(t.Context(), ledger.Accounts, aliceKey, []byte("perhaps"), revision)
	if !errors.Is(err, ledger.ErrOutcomeUnknown) && !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("storing: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second { // 5 s, on a busy machine
		t.Errorf("it was told after %s", took)
	}
	c.Start(1)
	c.Start(2)
	c.Await()
	until(t, "the document is there again", func() bool {
		found, err := d.Load(t.Context(), ledger.Accounts, aliceKey)
		return err == nil && (string(found.Value) == "kept" && found.Revision == revision || string(found.Value) == "perhaps" && found.Revision > revision)
	})
}

// A trim, a new epoch and the loss of the ledger's stream do not affect documents.
func TestWhatHappensToTheLogLeavesDocumentsAlone(t *testing.T) {
	c := natstest.Run(t, 1)
	js := raw(t, c)
	e := join(t, fleetOptions(t, c, "a"))
	following(t, e.Ledger)
	d := e.documents()
	revision, err := d.Store(t.Context(), ledger.Sessions, aliceKey, []byte("kept"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Append(t.Context(), aliceKey, []byte("kept")); err != nil {
		t.Fatal(err)
	}
	kept := func(what string, e *edge) {
		t.Helper()
		d := e.documents()
		found, err := d.Load(t.Context(), ledger.Sessions, aliceKey)
		if err != nil || string(found.Value) != "kept" || found.Revision != revision {
			t.Errorf("after %s: %q at %d, %v", what, found.Value, found.Revision, err)
		}
		if items, err := d.Newest(t.Context(), aliceKey, 0, 10); err != nil || len(items) != 1 {
			t.Errorf("after %s: %v, %v", what, items, err)
		}
	}
	for range 3 {
		e.write("goes")
		if err := e.tick(); err != nil {
			t.Fatal(err)
		}
	}
	if through, err := e.Trim(0, 1); through == 0 || err != nil {
		t.Fatalf("trimmed through %d, %v", through, err)
	}
	kept("a trim", e)
	if err := js.DeleteStream(t.Context(), nats.DefaultStream); err != nil {
		t.Fatal(err)
	}
	until(t, "the loss is noticed", func() bool { return e.Err() != nil })
	kept("the loss of the log", e)
	e.leave()
	mark(t, e, nats.MarkerAdopt)
	e = join(t, e.options)
	following(t, e.Ledger)
	kept("an adoption", e)
}

// Strangers can't fill the disk. In a nearly full stream, existing documents can
// still be changed and deleted.
func TestAFullBucketTakesNoNewDocuments(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := natstest.Run(t, n)
			e, log := joinLogging(t, c, "a", "")
			d := e.documents()
			value := []byte(strings.Repeat("x", ledger.MaxDocument))
			var revisions []uint64
			for {
				revision, err := d.Store(t.Context(), ledger.Accounts, aliceKey.Below(fmt.Sprint(len(revisions))), value, 0)
				if err != nil {
					if !errors.Is(err, ledger.ErrUnavailable) {
						t.Errorf("storing one too many: %v", err)
					}
					break
				}
				if revisions = append(revisions, revision); len(revisions)%16 == 0 && !e.LookAtDocuments() {
					t.Fatal("the streams are not reached")
				}
			}
			if size := len(revisions) * ledger.MaxDocument; size < 14<<20 || size > 16<<20 {
				t.Errorf("it is full with %d bytes, and may have %d", size, 16<<20)
			}
			if got := log.with("WARN", "nearly full"); len(got) != 1 {
				t.Errorf("it warns %q", got)
			}
			revision, err := d.Store(t.Context(), ledger.Accounts, aliceKey.Below("0"), value, revisions[0])
			if err != nil {
				t.Fatalf("changing one: %v", err)
			}
			revisions[0] = revision
			for i, revision := range revisions[:40] {
				if err := d.Delete(t.Context(), ledger.Accounts, aliceKey.Below(fmt.Sprint(i)), revision); err != nil {
					t.Fatalf("deleting one: %v", err)
				}
			}
			e.LookAtDocuments()
			if _, err := d.Store(t.Context(), ledger.Accounts, aliceKey, value, 0); err != nil {
				t.Errorf("storing one where there is space again: %v", err)
			}
			e.write("the log is not affected")
		})
	}
}

// A node reads the documents and list items that another node has just written. It
// refuses a write over a revision that the other has replaced.
func TestDocumentsOfTwoNodes(t *testing.T) {
	c := natstest.Run(t, 3)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	following(t, a.Ledger)
	following(t, b.Ledger)
	nodes := []ledger.Documents{a.documents(), b.documents()}
	var revision uint64
	for i := range 50 {
		value := fmt.Sprint(i)
		writer, reader := nodes[i%2], nodes[(i+1)%2]
		next, err := writer.Store(t.Context(), ledger.Accounts, aliceKey, []byte(value), revision)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reader.Store(t.Context(), ledger.Accounts, aliceKey, nil, revision); !errors.Is(err, ledger.ErrConflict) {
			t.Fatalf("storing over what the other wrote: %v", err)
		}
		found, err := reader.Load(t.Context(), ledger.Accounts, aliceKey)
		if err != nil || string(found.Value) != value || found.Revision != next {
			t.Fatalf("the other reads %q at %d, %v; want %q at %d", found.Value, found.Revision, err, value, next)
		}
		if err := writer.Append(t.Context(), aliceKey, []byte(value)); err != nil {
			t.Fatal(err)
		}
		items, err := reader.Newest(t.Context(), aliceKey, 0, 2)
		if err != nil || string(items[0].Value) != value {
			t.Fatalf("the other reads %v, %v; want %q first", items, err, value)
		}
		revision = next
	}
}

// No caller waits longer than its deadline for a cluster that can't be reached.
func TestDocumentsOfAClusterThatCannotBeReached(t *testing.T) {
	o := nats.Options{URLs: []string{"nats://127.0.0.1:1"}, Dir: t.TempDir(), Node: "a/1"}
	l, err := nats.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := l.Documents(ctx); !errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrNoDocuments) {
		t.Errorf("its documents: %v", err)
	}
}
