package nats_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
)

// roles are the users of deploy/nats/accounts.conf: each one's file with a seed.
type roles struct{ owner, node, edge, system string }

// guarded runs a server with the accounts of deploy/nats.
func guarded(t *testing.T, n int, settings ...func(int, *server.Options)) (*natstest.Cluster, roles) {
	t.Helper()
	return guardedBy(t, "../../deploy/nats/accounts.conf", n, settings...)
}

// guardedBy runs a server with the accounts of a file.
func guardedBy(t *testing.T, path string, n int, settings ...func(int, *server.Options)) (*natstest.Cluster, roles) {
	t.Helper()
	var is roles
	for variable, seed := range map[string]*string{
		"CURFEW_OWNER_NKEY": &is.owner, "CURFEW_NODE_NKEY": &is.node,
		"CURFEW_EDGE_NKEY": &is.edge, "CURFEW_SYSTEM_NKEY": &is.system,
	} {
		public, file := natstest.User(t)
		t.Setenv(variable, public)
		*seed = file
	}
	withAccounts := func(_ int, o *server.Options) {
		read, err := server.ProcessConfigFile(path)
		if err != nil {
			t.Fatal(err)
		}
		o.Accounts, o.Nkeys, o.SystemAccount = read.Accounts, read.Nkeys, read.SystemAccount
	}
	return natstest.Run(t, n, append([]func(int, *server.Options){withAccounts}, settings...)...), is
}

func joinAs(t *testing.T, c *natstest.Cluster, name, credentials string) *edge {
	t.Helper()
	o := fleetOptions(t, c, name)
	o.Credentials = credentials
	return join(t, o)
}

// A node that may only follow still enforces: it reads every entry and reports to
// the other nodes. The server refuses its other requests, and the node says so.
func TestEdgeMayOnlyFollow(t *testing.T) {
	c, is := guarded(t, 1)
	owner := joinAs(t, c, "owner", is.owner)
	following(t, owner.Ledger)
	node := joinAs(t, c, "node", is.node)
	follower := joinAs(t, c, "edge", is.edge)
	following(t, node.Ledger)
	following(t, follower.Ledger)

	began := time.Now()
	_, _, err := follower.Append(t.Context(), []revocation.Record{cut("alice", "an edge's")}, ledger.Idempotency{})
	if !errors.Is(err, ledger.ErrReadOnly) || !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("an edge that appends is told %v", err)
	}
	if took := time.Since(began); took > 4*time.Second { // waiting for an answer takes 5 s
		t.Errorf("it was told after %s", took)
	}
	if !follower.Connection().ReadOnly {
		t.Error("its connection does not say that it may only follow")
	}
	if err := follower.tick(); !errors.Is(err, ledger.ErrReadOnly) {
		t.Errorf("an edge that ticks is told %v", err)
	}

	last := node.write("a node's")
	if err := node.tick(); err != nil {
		t.Fatal(err)
	}
	follower.reaches(last)
	owner.reaches(last)
	if err := node.Say(ledger.Heartbeat{Node: "node/1", Nonce: 7}); err != nil {
		t.Fatal(err)
	}
	until(t, "entries, ticks and heartbeats come to the edge", func() bool {
		follower.mu.Lock()
		defer follower.mu.Unlock()
		return len(follower.entries) == 2 && len(follower.ticks) == 1 && len(follower.beats) == 1
	})
	if err := follower.Say(ledger.Heartbeat{Node: "edge/1", Nonce: 1}); err != nil {
		t.Fatal(err)
	}
	if err := follower.Acknowledge("node/1", ledger.Acknowledgement{Node: "edge/1", Position: last}); err != nil {
		t.Fatal(err)
	}
	until(t, "the edge is heard", func() bool {
		node.mu.Lock()
		defer node.mu.Unlock()
		return len(node.beats) == 2 && len(node.acks) == 1
	})
	for _, e := range []*edge{owner, node, follower} {
		if got := len(e.Ask(t.Context(), revocation.Ref{Position: last}, 2)); got != 2 {
			t.Errorf("%s asked, and %d answered", e.options.Node, got)
		}
	}
}

// asRole returns a client with a role's key, and the server's errors.
func asRole(t *testing.T, c *natstest.Cluster, seed string) (jetstream.JetStream, <-chan error) {
	t.Helper()
	identity, err := client.NkeyOptionFromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	complaints := make(chan error, 16)
	conn, err := client.Connect(c.URLs()[0], identity, client.Timeout(patience), client.ErrorHandler(func(_ *client.Conn, _ *client.Subscription, err error) {
		complaints <- err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return js, complaints
}

// The server refuses each role's forbidden requests, whatever client sends them.
func TestRolesAreRefused(t *testing.T) {
	c, is := guarded(t, 1)
	owner := joinAs(t, c, "owner", is.owner)
	following(t, owner.Ledger)
	owner.write("kept")

	reading := []string{"CURFEW.log.>", "CURFEW.log.entry", "CURFEW.>", "$JS.API.>", "$JS.EVENT.>", ">", "$KV.>", "$KV.CURFEW_ACCOUNTS.>", "CURFEW_ACTIVITY.>"}
	// The requests that no role may make, that only the owner may make, and that a
	// node may make too.
	nobody := []string{
		"CURFEW.log.other", "CURFEW.other", "_INBOX.somebody", "anything",
		"$JS.API.STREAM.UPDATE.CURFEW", "$JS.API.STREAM.DELETE.CURFEW", "$JS.API.STREAM.MSG.DELETE.CURFEW",
		"$JS.API.STREAM.SNAPSHOT.CURFEW", "$JS.API.STREAM.RESTORE.CURFEW",
		"$JS.API.STREAM.LEADER.STEPDOWN.CURFEW", "$JS.API.STREAM.PEER.REMOVE.CURFEW",
		"$JS.API.STREAM.CREATE.OTHER", "$JS.API.STREAM.INFO.OTHER", "$JS.API.STREAM.LIST",
		"$JS.API.CONSUMER.DELETE.CURFEW.x", "$JS.API.CONSUMER.CREATE.OTHER.x", "$JS.API.CONSUMER.CREATE.CURFEW.x.CURFEW.log.entry",
	}
	owners := []string{"$JS.API.STREAM.CREATE.CURFEW", "$JS.API.STREAM.PURGE.CURFEW", "CURFEW.log.genesis", "CURFEW.log.trim"}
	nodes := []string{
		"CURFEW.log.entry", "CURFEW.log.tick", "$KV.CURFEW_ACCOUNTS.x", "$KV.CURFEW_SESSIONS.x", "CURFEW_ACTIVITY.x",
		"$JS.API.STREAM.MSG.GET.CURFEW_ACTIVITY",
	}
	// Stored documents can be sent nowhere but in a leader's answers.
	nobody = append(nobody, "$KV.OTHER.x", "$JS.API.STREAM.INFO.KV_OTHER")
	for _, stream := range []string{"KV_CURFEW_ACCOUNTS", "KV_CURFEW_SESSIONS", "CURFEW_ACTIVITY"} {
		owners = append(owners, "$JS.API.STREAM.CREATE."+stream)
		nobody = append(
			nobody,
			"$JS.API.STREAM.UPDATE."+stream, "$JS.API.STREAM.DELETE."+stream, "$JS.API.STREAM.PURGE."+stream, "$JS.API.STREAM.MSG.DELETE."+stream,
			"$JS.API.STREAM.SNAPSHOT."+stream, "$JS.API.STREAM.RESTORE."+stream,
			"$JS.API.CONSUMER.CREATE."+stream, "$JS.API.CONSUMER.CREATE."+stream+".x", "$JS.API.CONSUMER.CREATE."+stream+".x.>",
			"$JS.API.CONSUMER.DURABLE.CREATE."+stream+".x", "$JS.API.CONSUMER.MSG.NEXT."+stream+".x",
			"$JS.API.DIRECT.GET."+stream, "$JS.API.DIRECT.GET."+stream+".x",
		)
	}
	for role, tt := range map[string]struct {
		seed             string
		publish, hearing []string
	}{
		"edge":  {is.edge, slices.Concat(nobody, owners, nodes), reading},
		"node":  {is.node, slices.Concat(nobody, owners), reading},
		"owner": {is.owner, nobody, reading},
		"system": {is.system, slices.Concat(nobody, owners, nodes, []string{
			"$SYS.REQ.SERVER.x.RELOAD", "$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.CURFEW.JSZ",
		}), append(reading, "$SYS.>")},
	} {
		t.Run(role, func(t *testing.T) {
			js, complaints := asRole(t, c, tt.seed)
			refused := func(what string) {
				t.Helper()
				select {
				case err := <-complaints:
					if !errors.Is(err, client.ErrPermissionViolation) {
						t.Errorf("%s: %v", what, err)
					}
				case <-time.After(patience):
					t.Errorf("%s is not refused", what)
				}
			}
			for _, subject := range tt.publish {
				if err := js.Conn().Publish(subject, []byte("{}")); err != nil {
					t.Fatal(err)
				}
				refused("publishing to " + subject)
			}
			for _, subject := range tt.hearing {
				if _, err := js.Conn().SubscribeSync(subject); err != nil {
					t.Fatal(err)
				}
				refused("hearing " + subject)
			}
		})
	}
	if owner.Err() != nil {
		t.Error(owner.Err())
	}
}

// A client without credentials has no rights.
func TestNobodyElse(t *testing.T) {
	c, is := guarded(t, 1)
	owner := joinAs(t, c, "owner", is.owner)
	following(t, owner.Ledger)
	if conn, err := client.Connect(c.URLs()[0], client.Timeout(patience)); !errors.Is(err, client.ErrAuthorization) {
		conn.Close()
		t.Errorf("without credentials: %v", err)
	}
	_, stranger := natstest.User(t)
	for name, credentials := range map[string]string{"without": "", "of another": stranger} {
		e := joinAs(t, c, "stranger", credentials)
		until(t, name+" credentials it says so", func() bool {
			p := e.Connection().Problem
			return p != nil && errors.Is(p, client.ErrAuthorization)
		})
		if (e.Head() != ledger.Head{}) {
			t.Errorf("%s credentials it has %v", name, e.Head())
		}
	}
}

// Only the owner begins a ledger. The other nodes wait for it, and say so.
func TestFirstStartNeedsTheOwner(t *testing.T) {
	c, is := guarded(t, 1)
	waiting := []*edge{joinAs(t, c, "node", is.node), joinAs(t, c, "edge", is.edge)}
	for _, e := range waiting {
		until(t, "it says what it lacks", func() bool {
			p := e.Connection().Problem
			return errors.Is(p, client.ErrPermissionViolation) && strings.Contains(p.Error(), "creating the stream CURFEW (or let an operator create it, see deploy/nats)")
		})
	}
	owner := joinAs(t, c, "owner", is.owner)
	following(t, owner.Ledger)
	for _, e := range waiting {
		following(t, e.Ledger)
	}
	waiting[0].write("goes on")
}

// A node without the right to trim writes nothing before it notices that. A node
// without the right to adopt says so.
func TestNodeMayNotTrimOrAdopt(t *testing.T) {
	c, is := guarded(t, 1)
	owner := joinAs(t, c, "owner", is.owner)
	following(t, owner.Ledger)
	node := joinAs(t, c, "node", is.node)
	following(t, node.Ledger)
	for range 3 {
		node.write("lives")
		if err := node.tick(); err != nil {
			t.Fatal(err)
		}
	}
	last := node.write("last")
	if _, err := node.Trim(0, 1); !errors.Is(err, client.ErrPermissionViolation) {
		t.Errorf("a node that trims is told %v", err)
	}
	if got := node.Head().Position; got != last {
		t.Errorf("it has written up to %s, and the last was %s", got, last)
	}
	owner.reaches(last)
	if through, err := owner.Trim(0, 1); through == 0 || err != nil {
		t.Errorf("the owner trimmed through %d, %v", through, err)
	}

	node.leave()
	mark(t, node, nats.MarkerAdopt)
	adopter := join(t, node.options)
	until(t, "it says that it may not adopt", func() bool { return errors.Is(adopter.Connection().Problem, client.ErrPermissionViolation) })
	if got := owner.Head().Position.Epoch; got != 1 {
		t.Errorf("epoch %d was begun", got)
	}
}
