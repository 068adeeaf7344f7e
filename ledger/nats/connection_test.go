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
	for _, reason := range []string{"one", "two", "three"} {
		hangUp(t, c)
		until(t, "it is noticed", func() bool { return a.Connection().Problem != nil })
		began := time.Now()
		until(t, "both follow again", func() bool { return a.Connection().Problem == nil && b.Connection().Problem == nil })
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("they follow again after %s", took)
		}
		b.reaches(a.write(reason))
		if err := b.tick(); err != nil {
			t.Error(err)
		}
	}
}
