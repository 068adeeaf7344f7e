package caddymodule_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// clock is a machine's clock with an offset that the test sets. Its monotonic
// reading goes on.
type clock struct{ off atomic.Int64 }

func (c *clock) now() time.Time {
	now := time.Now()
	// The wall seconds of a time with a monotonic reading stand from bit 30 on.
	*(*uint64)(unsafe.Pointer(&now)) += uint64(time.Duration(c.off.Load())/time.Second) << 30
	return now
}

// joinWith runs a node of the cluster with a clock of its own.
func joinWith(t *testing.T, servers *natstest.Cluster, name string, off time.Duration) (*node.Node, *clock) {
	t.Helper()
	c := new(clock)
	c.off.Store(int64(off))
	dir := t.TempDir()
	n := node.New(node.Config{Name: name, Instance: "bare", Now: c.now, Open: func() (ledger.Ledger, error) {
		return nats.Open(nats.Options{
			URLs: servers.URLs(), Stream: "TEST", Replicas: 1, Dir: dir, Node: name + "/bare", OnEmpty: local.Start, Now: c.now,
		})
	}})
	n.Configure(node.Settings{MaxStaleness: staleAfter})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, name+" is ready", func() bool { return n.State() == node.Ready })
	return n, c
}

// submit revokes everything of a user and returns the entry.
func submit(t *testing.T, n *node.Node, sub string, now time.Time) (revocation.Ref, error) {
	t.Helper()
	w, err := n.Submit(t.Context(), []revocation.Record{{
		Type: revocation.Cut, Target: revocation.Target{Issuer: "https://login.example.com", Subject: sub}, Mode: revocation.SignIn,
		At: now.UnixMilli(), Through: now.Unix(), Keep: 3600, Source: "admin", Time: now.UnixMilli(),
	}}, ledger.Idempotency{})
	return revocation.Ref{Position: w.Position}, err
}

// F-10: the node that ticks has a clock that is an hour fast, or slow. Nobody is
// fresh for longer or shorter by it, bounds are those of who gives them, and it
// writes nothing whose instant would be an hour off.
func TestTickerWithAWrongClock(t *testing.T) {
	for name, off := range map[string]time.Duration{"fast": time.Hour, "slow": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			servers := natstest.Run(t, 1)
			wrong, _ := joinWith(t, servers, "wrong", off) // the first one ticks, and goes on
			right, _ := joinWith(t, servers, "right", 0)
			third, _ := joinWith(t, servers, "third", 0)
			all := []*node.Node{wrong, right, third}
			eventually(t, "they know each other", func() bool { return len(right.Nodes()) == 3 && len(third.Nodes()) == 3 })
			proofs, last := make(map[*node.Node]int), make(map[*node.Node]time.Duration)
			eventually(t, "each has proven time and again that it is fresh", func() bool {
				for _, n := range all {
					if s := n.State(); s != node.Ready {
						t.Fatalf("%s is %s, %v", n.ID(), s, n.Why())
					}
					s := n.Staleness()
					if s < 0 || s > staleAfter {
						t.Fatalf("%s is stale by %s", n.ID(), s)
					}
					if s < last[n] {
						proofs[n]++
					}
					last[n] = s
				}
				return min(proofs[wrong], proofs[right], proofs[third]) >= 3
			})
			ref, err := submit(t, right, "alice", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range all {
				eventually(t, n.ID()+" enforces it and says so of all", func() bool {
					r, err := n.Receipt(t.Context(), ref)
					return err == nil && r.Enforcement.State == "enforced" && len(r.Enforcement.Nodes) == 3 && isCutAt(n, "https://login.example.com", "alice")
				})
			}
			r, err := right.Receipt(t.Context(), ref)
			if by := r.Enforcement.EnforcedBy; err != nil || by == nil || time.Until(by.Time) > staleAfter {
				t.Errorf("the bound is %v, %v", by, err)
			}
			_, err = submit(t, wrong, "bob", time.Now().Add(off))
			if !errors.Is(err, ledger.ErrUnavailable) || !strings.Contains(err.Error(), "clock") {
				t.Errorf("who is off by %s writes: %v", off, err)
			}
			if isCutAt(right, "https://login.example.com", "bob") {
				t.Error("it was written all the same")
			}
		})
	}
}

// F-10: a clock that is set, in either direction, fences the node and does not
// make it late. The node recovers by itself. Requests that it refused stay
// refused.
func TestClockIsSet(t *testing.T) {
	servers := natstest.Run(t, 1)
	n, c := joinWith(t, servers, "edge-1", 0)
	joinWith(t, servers, "edge-2", 0)
	if _, err := submit(t, n, "alice", time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, off := range []time.Duration{time.Hour, -time.Hour, 0} {
		c.off.Store(int64(off))
		if s := n.State(); off > 0 && s != node.Fenced {
			t.Errorf("a clock that was set forward by %s: %s", off, s)
		}
		eventually(t, "it is ready", func() bool { return n.State() == node.Ready })
		if !isCutAt(n, "https://login.example.com", "alice") {
			t.Errorf("a clock that is off by %s brings somebody back", off)
		}
	}
	eventually(t, "it writes again once its clock is right", func() bool {
		_, err := submit(t, n, "bob", time.Now())
		return err == nil
	})
}
