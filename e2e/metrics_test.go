//go:build e2e

package e2e

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// metric is the sum of all samples of a name, or of those with a label.
func (g *gateway) metric(t *testing.T, name, label string) float64 {
	t.Helper()
	var sum float64
	found := false
	for line := range strings.Lines(g.scrape(t)) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		bare, labels, _ := strings.Cut(series, "{")
		if !ok || bare != name || !strings.Contains(labels, label) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("reading the metric %s: %v", series, err)
		}
		sum += v
		found = true
	}
	if !found {
		t.Fatalf("there is no metric %s with %s", name, label)
	}
	return sum
}

// awaitRemembered waits until a token that was verified is in the cache, which
// takes it a little later.
func (g *gateway) awaitRemembered(t *testing.T) {
	t.Helper()
	eventually(t, patience, "a token is remembered", func() error {
		if g.metric(t, "curfew_token_cache_bytes", "") == 0 {
			return errors.New("the cache is empty")
		}
		return nil
	})
}

func (g *gateway) scrape(t *testing.T) string {
	t.Helper()
	a := g.do(t, newRequest(t, http.MethodGet, "http://"+g.Ops+"/metrics", nil))
	if a.status != http.StatusOK {
		t.Fatalf("scraping: %d %s", a.status, a.body)
	}
	return string(a.body)
}

// TestMetrics counts decisions as an SRE's dashboard would, through a reload,
// and looks for identifiers where there must be none.
func TestMetrics(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	s := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	admitted := func() float64 {
		return g.metric(t, "curfew_decisions_total", `decision="admit",policy="default"`)
	}
	refused := func(policy, reason string) float64 {
		return g.metric(t, "curfew_decisions_total", `decision="refuse",policy="`+policy+`",reason="`+reason+`"`)
	}
	for range 3 {
		g.expect(t, admit, s, "/", "alice")
		g.awaitRemembered(t)
	}
	g.expect(t, "step-up-required", s, "/billing", "alice at billing")
	g.reloadsWell(t)
	g.cut(t, object{"target": g.target("sub", "alice")})
	g.expect(t, "signed-out", s, "/", "alice")
	for _, test := range []struct {
		what      string
		got, want float64
	}{
		{"admissions", admitted(), 4}, // at billing by the outer guard too
		{"refusals for a step-up", refused("billing", "step-up-required"), 1},
		{"refusals of who is signed out", refused("default", "signed-out"), 1},
		{"verifications", g.metric(t, "curfew_token_cache_requests_total", `result="miss"`), 1},
		{"cache hits", g.metric(t, "curfew_token_cache_requests_total", `result="hit"`), 4},
		{"revocations asked for", g.metric(t, "curfew_admin_requests_total", `code="201"`), 1},
		{"targets", g.metric(t, "curfew_index_entries", `kind="subject"`), 1},
		{"readiness, of the gateway and of the one issuer", g.metric(t, "curfew_ready", ""), 2},
		{"readiness of the issuer", g.metric(t, "curfew_ready", "issuer="), 1},
		{"integrity failures", g.metric(t, "curfew_ledger_integrity_failures_total", ""), 0},
	} {
		if test.got != test.want {
			t.Errorf("%s: %v, want %v", test.what, test.got, test.want)
		}
	}
	f := s.facts(t)
	for _, secret := range []string{"alice", f.Session, f.TokenID, s.Access} {
		if strings.Contains(g.scrape(t), secret) {
			t.Errorf("the metrics contain %q", secret)
		}
	}
}
