package node_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// counting is a ledger that counts the entries that are read from it.
type counting struct {
	ledger.Ledger
	mu   sync.Mutex
	read int
}

func (c *counting) Read(ctx context.Context, after revocation.Position, yield func(revocation.Entry) error) error {
	return c.Ledger.Read(ctx, after, func(e revocation.Entry) error {
		c.mu.Lock()
		c.read++
		c.mu.Unlock()
		return yield(e)
	})
}

func (c *counting) reads() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read
}

// A replay applies what the first try may have left unapplied. It must not read
// everything that was written since the start for that: a node that has run for
// a month would not answer in time.
func TestAReplayReadsNoHistory(t *testing.T) {
	l := new(counting)
	n := start(t, func() (ledger.Ledger, error) {
		opened, err := local.Open(local.Options{Dir: t.TempDir(), OnEmpty: local.Start})
		l.Ledger = opened
		return l, err
	})
	await(t, n, node.Ready)
	key := ledger.Idempotency{Key: [32]byte{1}, Request: [32]byte{2}, Expires: time.Now().Add(time.Hour)}
	if _, err := n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, key); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 50 {
				if _, err := n.Submit(t.Context(), []revocation.Record{cutOf(fmt.Sprint(w, "-", i))}, ledger.Idempotency{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	before := l.reads()
	if w, err := n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, key); err != nil || !w.Replayed {
		t.Fatalf("%+v, %v", w, err)
	}
	if n := l.reads() - before; n > 1 {
		t.Errorf("the replay read %d entries", n)
	}
}

// slow is a ledger that answers at once and writes when it is told to: a sync
// that hangs for longer than anybody waits.
type slow struct {
	ledger.Ledger
	write chan struct{} // closed: now. Nil: at once
	done  sync.WaitGroup
}

func (s *slow) Append(ctx context.Context, r []revocation.Record, k ledger.Idempotency) (revocation.Position, bool, error) {
	if s.write == nil {
		return s.Ledger.Append(ctx, r, k)
	}
	s.done.Go(func() {
		<-s.write
		_, _, _ = s.Ledger.Append(context.WithoutCancel(ctx), r, k)
	})
	return revocation.Position{}, false, ledger.ErrOutcomeUnknown
}

// However late a record becomes durable, it is enforced soon after; and until
// it is, nothing says so.
func TestADurableRecordIsEnforcedHoweverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(slow)
		n := start(t, func() (ledger.Ledger, error) {
			opened, err := local.Open(local.Options{Dir: t.TempDir(), OnEmpty: local.Start})
			l.Ledger = opened
			return l, err
		})
		synctest.Wait()
		before, err := n.Submit(t.Context(), []revocation.Record{cutOf("before")}, ledger.Idempotency{})
		if err != nil {
			t.Fatal(err)
		}
		l.write = make(chan struct{})
		if _, err := n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, ledger.Idempotency{}); err == nil {
			t.Fatal("it was acknowledged")
		}
		time.Sleep(10*time.Minute + time.Second/2)
		close(l.write)
		l.done.Wait()
		ref := revocation.Ref{Position: revocation.Position{Epoch: before.Position.Epoch, Sequence: before.Position.Sequence + 1}}
		r, err := n.Receipt(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if r.Enforcement.State != "pending" || r.Enforcement.EnforcedBy != nil {
			t.Errorf("durable and not applied: %+v", r.Enforcement)
		}
		durable := time.Now()
		time.Sleep(5 * time.Second)
		if !isCut(n, "alice") {
			t.Error("durable, and not enforced")
		}
		if r, err = n.Receipt(t.Context(), ref); err != nil || r.Enforcement.State != "enforced" {
			t.Fatalf("%+v, %v", r.Enforcement, err)
		}
		if at := r.Enforcement.Nodes[0].EnforcedAt; at.Before(durable) {
			t.Errorf("durable at %s, said to be enforced at %s", durable, at)
		}
	})
}

// An append whose outcome stays open while the node closes ends neither in a
// panic nor in a goroutine that nobody waits for.
func TestCloseWhileAnOutcomeIsOpen(t *testing.T) {
	for range 50 {
		l := &held{entered: make(chan struct{}), let: make(chan struct{})}
		n := start(t, func() (ledger.Ledger, error) {
			opened, err := local.Open(local.Options{Dir: t.TempDir(), OnEmpty: local.Start})
			l.Ledger = opened
			return l, err
		})
		await(t, n, node.Ready)
		var both sync.WaitGroup
		both.Go(func() { _, _ = n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, ledger.Idempotency{}) })
		<-l.entered
		both.Go(func() { _ = n.Close() })
		close(l.let)
		both.Wait()
	}
}

// held is a ledger whose appends wait, and fail without an outcome.
type held struct {
	ledger.Ledger
	entered, let chan struct{}
}

func (h *held) Append(context.Context, []revocation.Record, ledger.Idempotency) (revocation.Position, bool, error) {
	close(h.entered)
	<-h.let
	return revocation.Position{}, false, ledger.ErrOutcomeUnknown
}
