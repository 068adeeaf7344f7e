//go:build e2e

package e2e

import (
	"net/http"
	"testing"

	"curfew.dev/curfew/adminclient"
)

// TestStepUp asks for more than a password: on a route whose policy demands it,
// and of a person whom an operator has asked it of. Each is satisfied by a real
// second factor at the provider.
func TestStepUp(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})

	t.Run("a policy", func(t *testing.T) {
		weak := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
		g.expect(t, admit, weak, "/", "the start page")
		a := g.expect(t, "step-up-required", weak, "/billing", "billing")
		if c := a.challenge(); c["acr_values"] != "mfa" || c["max_age"] != "600" {
			t.Errorf("billing challenges with %q", a.header.Get("WWW-Authenticate"))
		}
		strong := returns(t, g, weak, "/billing")
		if f := strong.facts(t); f.ACR != "mfa" || f.Session != weak.facts(t).Session {
			t.Errorf("after the step-up: acr %q, another session: %t", f.ACR, f.Session != weak.facts(t).Session)
		}
		g.expect(t, admit, strong, "/billing/invoices", "below billing")
		g.expect(t, "step-up-required", weak, "/billing", "the weak token afterwards")
		g.expect(t, admit, strong.refreshed(t), "/billing", "a refreshed strong token")
	})
	t.Run("on sensitive routes", func(t *testing.T) {
		old := newBrowser(t, p, "bob", "laptop-of-bob").signIn(t, "web")
		r := g.stepUp(t, object{"target": g.target("sub", "bob"), "acr": []string{"mfa"}, "routes": "sensitive"})
		g.expect(t, admit, old, "/", "the start page")
		g.expect(t, "step-up-required", old, "/privacy", "a sensitive route")
		strong := returns(t, g, old, "/privacy")
		g.expect(t, "step-up-required", old, "/privacy", "the old token, though somebody has satisfied it")
		g.Kill(t)
		g.Start(t)
		g.expect(t, "step-up-required", old, "/privacy", "the old token after kill -9")
		g.expect(t, admit, strong, "/privacy", "the new token after kill -9")
		g.lift(t, r)
		g.expect(t, admit, old, "/privacy", "the old token once it is lifted")
	})
	t.Run("everywhere, after a sign-out", func(t *testing.T) {
		old := newBrowser(t, p, "carol", "laptop-of-carol").signIn(t, "web")
		g.cut(t, object{"target": g.target("sub", "carol")})
		g.stepUp(t, object{"target": g.target("sub", "carol"), "acr": []string{"mfa"}, "routes": "all"})
		g.expect(t, "signed-out", old, "/", "the old token")
		again := returns(t, g, old, "/") // is asked for the second factor on the way
		if acr := again.facts(t).ACR; acr != "mfa" {
			t.Errorf("who signs in again has acr %q", acr)
		}
	})
}

func (g *gateway) stepUp(t *testing.T, body object) receipt {
	t.Helper()
	return checkReceipt(t, must[receipt](t)(adminclient.Write[receipt](t.Context(), g.as("write").client(), http.MethodPost, "/v1/step-ups", body, "")))
}
