//go:build e2e

package e2e

import (
	"net/http"
	"testing"

	"curfew.dev/curfew/adminclient"
)

// explanation is how a token would fare.
func (g *gateway) explain(t *testing.T, s *session, policies ...string) adminclient.Explanation {
	t.Helper()
	return must[adminclient.Explanation](t)(g.as("read").client().Explain(t.Context(), adminclient.Question{Token: s.Access, Policies: policies}))
}

// TestExplain asks why, and holds the answer to what the guards do.
func TestExplain(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	s := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	check := func(path string, policies ...string) {
		t.Helper()
		want, _ := g.try(t, s, path)
		e := g.explain(t, s, policies...)
		if want == admit {
			if e.Decision != "admit" {
				t.Errorf("%s is admitted and explained as %+v", path, e)
			}
			return
		}
		if e.Decision != "refuse" || e.Reason != want {
			t.Errorf("%s is refused with %s and explained as %+v", path, want, e)
		}
		if len(e.Rules) == 0 {
			t.Errorf("%s is explained by no rule", path)
		}
	}
	check("/")
	check("/billing", "billing")
	g.cut(t, object{"target": g.target("sub", "alice")})
	check("/")
	check("/billing", "billing")
	g.block(t, object{"target": g.target("sub", "alice")})
	check("/")

	a := g.as("read").call(t, http.MethodPost, "/v1/explain", object{"token": s.Access, "policies": []string{"nowhere"}})
	if got := a.problem(t); a.status != http.StatusUnprocessableEntity || got != "unknown-policy" {
		t.Errorf("an unknown policy: %d %s", a.status, got)
	}
}
