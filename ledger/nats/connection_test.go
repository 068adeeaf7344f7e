package nats_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"curfew.dev/curfew/ledger/nats/natstest"
)

// hangUp has the server end every connection, as a restart of it, or a firewall,
// does. The nodes are back before anything else is noticed.
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

// A connection that is lost and back at once leaves nothing behind: the node
// follows, appends and ticks again.
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
	// A machine that is busy now and then is so for one of them.
	if quickest > 2*time.Second {
		t.Errorf("they follow again after %s at best", quickest)
	}
}

// A node that asks for another way into the cluster gets one, by another server,
// and goes on as if nothing had been; but not again at once.
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
