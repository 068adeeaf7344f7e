//go:build e2e

package fleet

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
)

// span is a time in which a gateway is stopped and started again.
type span struct{ from, until time.Time }

// Three gateways go from N-1 to N and back, one after another, while people come
// and are revoked. Every sign-out that was acknowledged by either build is in force
// at both, and a gateway refuses with 503 only while it is itself replaced.
func TestRollingUpgradeAndRollback(t *testing.T) {
	t.Parallel()
	old := previous(t)
	// The bound is long, so that a busy machine fences nobody in between.
	f := newFleet(t, nil, 3, func(g *gateway) { g.Binary, g.MaxStaleness = old, 15*time.Second })
	f.load(crowd("person", 10), 20*time.Millisecond, f.gateways...)
	writing := f.keepWriting("upgrade")
	away := make(map[string][]span)
	for round, binary := range []string{"", old} {
		for i, g := range f.gateways {
			from := time.Now()
			g.Stop(t)
			g.Binary = binary
			g.start(t)
			away[g.Name] = append(away[g.Name], span{from, time.Now()})
			f.tellsFormats(g, binary == "")
			f.revokedEverywhere(fmt.Sprintf("round-%d-%d", round, i))
			rest(t.Context(), pick(time.Second, 10*time.Second))
		}
	}
	writing()
	ended := time.Now()
	f.judge()
	f.onlyWhile(away, ended)
}

// revokedEverywhere signs somebody out at each gateway, and asks all of them.
func (f *fleet) revokedEverywhere(name string) {
	f.t.Helper()
	for _, at := range f.gateways {
		who := name + "-" + at.Name
		for _, g := range f.gateways {
			if a := f.decides(g, who); a.status != http.StatusOK {
				f.t.Errorf("%s answers %s with %d before it was revoked", g.Name, who, a.status)
			}
		}
		// A gateway that has just started may count one that has just ended, until
		// that one's bound is over.
		key := rand.Text()
		gatewaytest.Eventually(f.t, patience, who+" is revoked everywhere", func() error {
			w, r := f.revokeWithKey(at, who, key, "wait", "8s")
			if w.status != http.StatusCreated || r.Enforcement.State != "enforced" {
				return fmt.Errorf("%d %s: the receipt says %+v", w.status, w.problem, r.Enforcement)
			}
			return nil
		})
		for _, g := range f.gateways {
			if a := f.decides(g, who); a.status != http.StatusUnauthorized {
				f.t.Errorf("%s answers %s, who was revoked at %s, with %d", g.Name, who, at.Name, a.status)
			}
		}
	}
}

// tellsFormats looks at whether a gateway says of each node which format it
// reads, as builds since N do, and N-1 does not.
func (f *fleet) tellsFormats(g *gateway, want bool) {
	f.t.Helper()
	list, err := g.nodes(f.ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, s := range list {
		if (s.Format >= 1) != want {
			f.t.Errorf("%s says of %s that it reads format %d", g.Name, s.Node, s.Format)
		}
	}
	out, err := g.curfew("nodes", "--address", g.Endpoint)
	if err != nil || strings.Contains(out, "FORMAT") != want {
		f.t.Errorf("caddy curfew nodes at %s: %v\n%s", g.Name, err, out)
	}
}

// onlyWhile holds every answer but a decision to the time in which its gateway
// was away. Calls that were under way when that began are covered too. Those that
// the test itself broke off, when it ended, are left out.
func (f *fleet) onlyWhile(away map[string][]span, ended time.Time) {
	f.t.Helper()
	wrong := 0
	check := func(node string, status int, sent, answered time.Time, what string) {
		if status != 0 && status < http.StatusInternalServerError || answered.After(ended) {
			return
		}
		for _, s := range away[node] {
			if answered.After(s.from) && sent.Before(s.until) && (status == 0 || status == http.StatusServiceUnavailable) {
				return
			}
		}
		if wrong++; wrong <= 20 {
			f.t.Errorf("%s answered with %d while it was not being replaced: %s", node, status, what)
		}
	}
	for i := range f.history.requests {
		r := &f.history.requests[i]
		check(r.node, r.status, r.sent, r.answered, "a request of "+r.subject)
	}
	for _, w := range f.history.writes {
		check(w.node, w.status, w.sent, w.answered, "revoking "+w.subject+": "+w.problem)
	}
}

// One gateway with a local ledger is upgraded, goes back, and is upgraded again.
// Each build finds what the other one acknowledged.
func TestUpgradeAndRollbackOfALocalLedger(t *testing.T) {
	t.Parallel()
	old := previous(t)
	f := newFleet(t, new(servers), 1, func(g *gateway) { g.Binary = old })
	g := f.gateways[0]
	f.load(crowd("person", 3), 20*time.Millisecond, g)
	var revoked []receipt
	for i, binary := range []string{old, "", old, ""} {
		rest(t.Context(), pick(time.Second, 10*time.Second)) // under load
		if i > 0 {
			g.Stop(t)
			g.Binary = binary
			g.start(t)
		}
		who := fmt.Sprintf("revoked-%d", i)
		if a := f.decides(g, who); a.status != http.StatusOK {
			t.Errorf("%s is answered with %d before it was revoked", who, a.status)
		}
		revoked = append(revoked, f.mustRevoke(g, who))
		for k, r := range revoked {
			who := fmt.Sprintf("revoked-%d", k)
			if a := f.decides(g, who); a.status != http.StatusUnauthorized {
				t.Errorf("start %d: %s is answered with %d", i, who, a.status)
			}
			if again, status := f.receipt(g, who, r.ID); status != http.StatusOK || again.Position != r.Position {
				t.Errorf("start %d: the receipt of %s is %d %+v, was %+v", i, who, status, again, r)
			}
		}
	}
	f.judge()
}
