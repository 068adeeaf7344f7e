//go:build e2e

package e2e

import (
	"net/http"
	"testing"

	"curfew.dev/curfew/adminclient"
)

// TestBlock blocks a person, whom no sign-in lets in again until the block is
// lifted; a block of somebody else's is another one.
func TestBlock(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	alice := newBrowser(t, p, "alice", "phone-of-alice")
	bob := newBrowser(t, p, "bob", "phone-of-bob").signIn(t, "mobile")
	before := alice.signIn(t, "mobile")

	body := object{"target": g.target("sub", "alice"), "reason": "case 7"}
	first, second := g.block(t, body), g.block(t, body)
	check := func(what, want string) {
		t.Helper()
		g.expect(t, want, before, "/", what+", the old token")
		g.expect(t, want, alice.signIn(t, "mobile", "prompt=login"), "/", what+", a new sign-in")
		g.expect(t, admit, bob, "/", what+", bob")
	}
	check("blocked", "blocked")
	g.lift(t, first)
	check("one of two blocks lifted", "blocked")
	g.Kill(t)
	g.Start(t)
	check("after kill -9", "blocked")
	g.lift(t, second)
	check("both lifted", admit)
	g.lift(t, second) // again: nothing is to be done
	g.Stop(t)
	g.Start(t)
	check("after a restart", admit)

	a := g.as("write").call(t, http.MethodDelete, "/v1/blocks/blk_99.99.0", nil)
	if got := a.problem(t); a.status != http.StatusNotFound {
		t.Errorf("lifting what does not exist: %d %s", a.status, got)
	}
}

func (g *gateway) block(t *testing.T, body object) receipt {
	t.Helper()
	return checkReceipt(t, must[receipt](t)(adminclient.Write[receipt](t.Context(), g.as("write").client(), http.MethodPost, "/v1/blocks", body, "")))
}

// lift ends a block or a step-up.
func (g *gateway) lift(t *testing.T, held receipt) {
	t.Helper()
	checkReceipt(t, must[receipt](t)(g.as("write").client().Lift(t.Context(), held.ID, "")))
}
