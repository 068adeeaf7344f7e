//go:build e2e

package fleet

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
)

// roles are the users of deploy/nats/accounts.conf, which the servers then have.
type roles struct {
	env                     []string // of the servers
	owner, node, edge, seed string   // files with seeds
}

func newRoles(t *testing.T) roles {
	t.Helper()
	var is roles
	for name, file := range map[string]*string{"OWNER": &is.owner, "NODE": &is.node, "EDGE": &is.edge, "SYSTEM": &is.seed} {
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		seed, err := pair.Seed()
		if err != nil {
			t.Fatal(err)
		}
		*file = filepath.Join(t.TempDir(), "seed")
		if err := os.WriteFile(*file, seed, 0o600); err != nil {
			t.Fatal(err)
		}
		is.env = append(is.env, "CURFEW_"+name+"_NKEY="+public)
	}
	return is
}

// A gateway whose user may only follow enforces what others write, ends what is
// open, and answers a write with what to do instead.
func TestMayOnlyFollow(t *testing.T) {
	t.Parallel()
	is := newRoles(t)
	s := ownServers(t, withRoles(is))
	credentials := map[string]string{"edge-1": is.owner, "edge-2": is.node, "edge-3": is.edge}
	f := newFleet(t, s, 3, func(g *gateway) { g.Stream, g.Credentials = "CURFEW", credentials[g.Name] })
	owner, node, edge := f.gateways[0], f.gateways[1], f.gateways[2]
	f.load(crowd("person", 3), 20*time.Millisecond, f.gateways...)
	talks := f.talk(edge, "alice")
	if r := f.mustRevoke(node, "alice", "wait", "8s"); r.Enforcement.State != "enforced" || len(r.Enforcement.Nodes) != 3 {
		t.Errorf("the receipt says %+v", r.Enforcement)
	}
	ends(t, talks)
	if a := f.decides(edge, "alice"); a.status != http.StatusUnauthorized {
		t.Errorf("the edge answers alice with %d", a.status)
	}
	w, _ := f.revoke(edge, "bob")
	if w.status != http.StatusServiceUnavailable || !strings.Contains(w.problem, "another node") || !strings.Contains(w.problem, "ledger-unavailable") {
		t.Errorf("a write at an edge: %d %s", w.status, w.problem)
	}
	for _, g := range f.gateways {
		if a := f.decides(g, "bob"); a.status != http.StatusOK {
			t.Errorf("%s answers bob with %d", g.Name, a.status)
		}
	}
	f.mustRevoke(owner, "bob")
	f.judge()
}
