package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curfew.dev/curfew/caddymodule/cli"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/token/tokentest"
)

// bySubject is a configuration in which a claim names people.
func bySubject(global, claim string) string {
	return strings.Replace(global, "client web\n", "client web\n\t\t\tsubject_claim "+claim+"\n", 1)
}

// pairwise are the claims of a person's token for a client, as Entra makes them.
func pairwise(person, client string) tokentest.Claims {
	return tokentest.Claims{"sub": person + "-for-" + client, "client_id": client, "oid": person}
}

func (g *gateway) isReady() bool {
	resp, err := http.Get(g.health + "/readyz")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Where sub is another for each client, the claim that is not names people everywhere:
// a sign-out reaches all of their clients.
func TestSubjectClaimNamesPeopleWhoseSubIsPairwise(t *testing.T) {
	g := start(t, bySubject(global, "oid"), sites)
	for _, client := range []string{"web", "mobile"} {
		if a := g.get("/", g.token("x", pairwise("alice", client))); a.StatusCode != 200 || g.upstream.header("Curfew-Subject")[0] != "alice" {
			t.Errorf("%s: %d, subject %q", client, a.StatusCode, g.upstream.header("Curfew-Subject"))
		}
	}
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	for _, client := range []string{"web", "mobile"} {
		if a := g.get("/", g.token("x", pairwise("alice", client))); a.problem() != "urn:curfew:signed-out" {
			t.Errorf("%s after the sign-out: %d %s", client, a.StatusCode, a.body)
		}
	}
	// A token that does not say who the person is can't be revoked by person.
	for _, oid := range []any{nil, "", 5, []string{"bob"}} {
		if a := g.get("/", g.token("x", pairwise("bob", "web"), tokentest.Claims{"oid": oid})); a.problem() != "urn:curfew:invalid-token" {
			t.Errorf("oid %v: %d %s", oid, a.StatusCode, a.body)
		}
	}
	// Somebody's sub is nobody's oid.
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "bob-for-web"})
	if a := g.get("/", g.token("x", pairwise("bob", "web"))); a.StatusCode != 200 {
		t.Errorf("a sign-out by sub: %d %s", a.StatusCode, a.body)
	}
}

// A ledger whose records name people by one claim is not read with another: not after
// a reload, not after a restart, until an operator has adopted it.
func TestAnotherSubjectClaimIsNotReadyUntilTheLedgerIsAdopted(t *testing.T) {
	g := start(t, global, sites)
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice-for-web"})
	alice := g.token("x", pairwise("alice", "web"))
	refused := func(when string) {
		t.Helper()
		eventually(t, "the node is not ready "+when, func() bool { return !g.isReady() })
		if a := g.get("/", alice); a.problem() != "urn:curfew:not-ready" {
			t.Errorf("%s: %d %s", when, a.StatusCode, a.body)
		}
		if why := g.nodes()["edge-1"].Why; !strings.Contains(why, "subject_claim of "+g.issuer.URL+" is oid") || !strings.Contains(why, "caddy curfew adopt") {
			t.Errorf("%s: why is %q", when, why)
		}
		if a := g.call(helpdesk, "POST", "/v1/revocations", map[string]any{"target": map[string]string{"iss": g.issuer.URL, "sub": "bob"}}); a.StatusCode != 503 {
			t.Errorf("%s a write is %d %s", when, a.StatusCode, a.body)
		}
	}
	g.load(bySubject(global, "oid"), sites)
	refused("after a reload")
	g.load(global, sites)
	g.awaitReady()
	if a := g.get("/", alice); a.problem() != "urn:curfew:signed-out" {
		t.Errorf("set back: %d %s", a.StatusCode, a.body)
	}
	g.stop()
	g.load(bySubject(global, "oid"), sites)
	refused("after a restart")
	g.stop()
	if _, err := local.Adopt(local.Options{Dir: g.dir, Witness: cli.WitnessPath(g.dir), OnEmpty: local.Start}); err != nil {
		t.Fatal(err)
	}
	g.load(bySubject(global, "oid"), sites)
	g.awaitReady()
	if a := g.get("/", alice); a.StatusCode != 200 {
		t.Errorf("adopted: %d %s", a.StatusCode, a.body)
	}
	g.stop()
	g.load(bySubject(global, "oid"), sites)
	g.awaitReady() // with the same claim it goes on
	g.load(global, sites)
	eventually(t, "the node is not ready with the claim of before", func() bool { return !g.isReady() })
}

// A file that can't be read says nothing, so that the operator decides.
func TestADamagedSubjectsFileIsNotReady(t *testing.T) {
	g := start(t, bySubject(global, "oid"), sites)
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "bob"}) // an empty ledger is withdrawn
	g.stop()
	if err := os.WriteFile(filepath.Join(g.dir, "subjects"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.load(bySubject(global, "oid"), sites)
	eventually(t, "the reason is told", func() bool {
		return strings.Contains(g.nodes()["edge-1"].Why, "caddy curfew adopt")
	})
	g.stop()
	if _, err := local.Adopt(local.Options{Dir: g.dir, Witness: cli.WitnessPath(g.dir), OnEmpty: local.Start}); err != nil {
		t.Fatal(err)
	}
	g.load(bySubject(global, "oid"), sites)
	g.awaitReady()
}

// In a cluster the node goes on when an operator has begun a new epoch.
func TestANodeOfAClusterTakesAnotherSubjectClaimWithANewEpoch(t *testing.T) {
	g, servers := startClustered(t, "")
	g.load(bySubject(clustered(servers, ""), "oid"), sites)
	eventually(t, "the reason is told", func() bool {
		return strings.Contains(g.nodes()["edge-1"].Why, "subject_claim")
	})
	marker := filepath.Join(cli.ReplicaDir("TEST", "edge-1"), nats.MarkerAdopt)
	if err := os.WriteFile(marker, []byte("test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.awaitReady()
	if a := g.get("/", g.token("x", pairwise("alice", "web"))); a.StatusCode != 200 {
		t.Errorf("adopted: %d %s", a.StatusCode, a.body)
	}
}
