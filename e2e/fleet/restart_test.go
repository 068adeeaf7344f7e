//go:build e2e

package fleet

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
)

// F-26: a gateway is told to end while many callers write to it. Each call is
// answered 201 and is there afterwards, or says that it is not; none is left
// without an answer half way.
func TestExitUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 3)
	f.load(crowd("person", 5), 20*time.Millisecond, f.gateways...)
	leaving := f.gateways[1]
	for round := range pick(2, 20) {
		var writers sync.WaitGroup
		stop := make(chan struct{})
		for w := range 16 {
			writers.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					f.revoke(leaving, fmt.Sprintf("leaving-%d-%d-%d", round, w, n), "wait", "0s")
				}
			})
		}
		rest(t.Context(), 500*time.Millisecond)
		began := time.Now()
		leaving.Stop(t)
		t.Logf("round %d: it ended within %s", round, time.Since(began).Round(time.Millisecond))
		close(stop)
		writers.Wait()
		leaving.start(t)
	}
	for _, w := range f.history.writes {
		// Where nobody listens any more, nothing was begun.
		if took := w.answered.Sub(w.sent); w.status == 0 && took > 5*time.Second {
			t.Errorf("a call at %s was left without an answer after %s", w.node, took)
		}
	}
	f.judge()
}

// Every gateway is restarted, one after another, while people come and are
// revoked: nothing is lost, and receipts go on being true.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 3)
	f.load(crowd("person", 10), 20*time.Millisecond, f.gateways...)
	writing := f.keepWriting("rolling")
	for range pick(1, 5) {
		for i, g := range f.gateways {
			if i == 1 {
				g.Kill(t) // one of them without being asked
			} else {
				g.Stop(t)
			}
			g.start(t)
		}
	}
	writing()
	f.judge()
}

// One call reaches everybody: connections through other gateways end, receipts
// are the same wherever one asks, and after restarts.
func TestEverywhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 3)
	a, b, c := f.gateways[0], f.gateways[1], f.gateways[2]
	alices, bobs := append(f.talk(b, "alice"), f.talk(c, "alice")...), f.talk(b, "bob")
	began := time.Now()
	r := f.mustRevoke(a, "alice", "wait", "8s")
	if r.Enforcement.State != "enforced" || len(r.Enforcement.Nodes) != 3 || r.Enforcement.LiveRequestsCut != 4 {
		t.Errorf("the receipt says %+v", r.Enforcement)
	}
	ends(t, alices)
	t.Logf("the call and the end of 4 connections took %s", time.Since(began).Round(time.Millisecond))
	goOn(t, bobs)
	for _, g := range f.gateways {
		if got := f.decides(g, "alice"); got.status != http.StatusUnauthorized {
			t.Errorf("%s answers alice with %d", g.Name, got.status)
		}
		f.sameReceipt(g, r)
	}
	for _, g := range f.gateways {
		g.Kill(t)
		g.start(t)
		f.sameReceipt(g, r)
	}
	f.judge()
}

// sameReceipt waits until a gateway says the same of a record as its writer did.
func (f *fleet) sameReceipt(g *gateway, want receipt) {
	f.t.Helper()
	gatewaytest.Eventually(f.t, patience, g.Name+" has the same receipt", func() error {
		r, status := f.receipt(g, "alice", want.ID)
		if status != http.StatusOK || r.Position != want.Position || r.Enforcement.State != "enforced" || r.Enforcement.EnforcedBy == nil ||
			len(r.Enforcement.Nodes) < 3 {
			return fmt.Errorf("%d %+v", status, r)
		}
		return nil
	})
}

// A gateway whose replica is gone reads the stream anew, and admits nobody before.
func TestLostReplica(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 2)
	g := f.gateways[1]
	f.load(crowd("person", 5), 20*time.Millisecond, f.gateways...)
	for _, who := range crowd("person", 3) {
		f.mustRevoke(f.gateways[0], who)
	}
	for _, gone := range []string{g.replica(), g.Path("data")} {
		g.Kill(t)
		lose(t, gone)
		g.begin(t)
		for g.Ready() != nil {
			f.ask(context.Background(), g, "person-1")
			if !g.Process.Running() {
				t.Fatalf("it has ended:\n%s", gatewaytest.Tail(g.Log()))
			}
		}
		if a := f.decides(g, "person-1"); a.status != http.StatusUnauthorized {
			t.Errorf("without %s: %d", gone, a.status)
		}
	}
	f.judge()
}
