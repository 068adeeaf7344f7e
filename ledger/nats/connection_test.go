package nats_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"curfew.dev/curfew/ledger/nats/natstest"
)

// hangUp makes the server end every connection, like a restart or a firewall. The
// nodes reconnect before they notice anything else.
func hangUp(t *testing.T, c *natstest.Cluster) {
	t.Helper()
	all, err := c.Server(0).Connz(&server.ConnzOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all.Conns {
		if err := c.Server(0).DisconnectClientByID(one.Cid); err != nil {
			t.Fatal(err)
		}
	}
}

// After a connection is lost and back at once, the node follows, appends and ticks
// again.
func TestShortInterruption(t *testing.T) {
	c := natstest.Run(t, 1)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	following(t, a.Ledger)
	following(t, b.Ledger)
	quickest := time.Hour
	for _, reason := range []string{"one", "two", "three"} {
		hangUp(t, c)
		until(t, "it is noticed", func() bool { return a.Connection().Problem != nil })
		began := time.Now()
		until(t, "both follow again", func() bool { return a.Connection().Problem == nil && b.Connection().Problem == nil })
		quickest = min(quickest, time.Since(began))
		b.reaches(a.write(reason))
		if err := b.tick(); err != nil {
			t.Error(err)
		}
	}
	// A busy machine may delay one of them.
	if quickest > 2*time.Second {
		t.Errorf("they follow again after %s at best", quickest)
	}
}

// A node that asks for another server gets one and continues. It does not get the
// next one at once.
func TestElsewhere(t *testing.T) {
	c := natstest.Run(t, 3)
	a, b := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "b"))
	following(t, a.Ledger)
	following(t, b.Ledger)
	if a.Elsewhere() {
		t.Error("a new connection is left")
	}
	for range 3 {
		before := a.Server()
		a.Settled()
		if !a.Elsewhere() {
			t.Fatal("it does not move")
		}
		until(t, "it is connected to another server", func() bool { now := a.Server(); return now != "" && now != before })
		if a.Elsewhere() {
			t.Error("it moves again at once")
		}
		until(t, "it follows again", func() bool { return a.Connection().Problem == nil })
		b.reaches(a.write("moved"))
		a.reaches(b.write("still there"))
	}
}
