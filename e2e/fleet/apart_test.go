//go:build e2e

package fleet

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
)

// F-14 between the servers: the one that leads is cut off from the others, and
// all gateways still reach it. Who is connected there is fenced, and finds the
// others by itself; what it is told meanwhile is written or refused, never lost.
func TestServersApart(t *testing.T) {
	t.Parallel()
	w := newWire(t, 3)
	s := ownServers(t, setting{place: func(i int) ([]string, string) { return w.exec(i), w.address(i, 2) }})
	f := newFleet(t, s, 3)
	people := crowd("person", 12)
	f.load(people, 20*time.Millisecond, f.gateways...)
	for round := range pick(1, 5) {
		leader := s.leader(t, f.stream)
		at := slices.Index(s.all, leader)
		for i, g := range f.gateways { // each by another server
			g.line(refused)
			g.relays[i].set(open)
		}
		f.allServe()
		for _, g := range f.gateways {
			g.line(open)
		}
		there := f.gateways[at]
		talks := f.talk(there, "bystander")
		writing := f.keepWriting("apart")
		w.apart(at, 3, true)
		began := time.Now()
		ends(t, talks)
		if a := f.ask(f.ctx, there, "bystander"); a.status != http.StatusServiceUnavailable {
			t.Errorf("%s, whose server is alone, answers %d", there.Name, a.status)
		}
		gatewaytest.Eventually(t, time.Minute, there.Name+" serves again", there.Ready)
		t.Logf("%s serves again %s after its server was cut off", there.Name, time.Since(began).Round(time.Millisecond))
		f.allServe()
		who := people[round]
		gatewaytest.Eventually(t, time.Minute, "a write is acknowledged", func() error {
			if w, r := f.revoke(f.gateways[(at+1)%3], who, "wait", "8s"); r.Enforcement.State != "enforced" {
				return fmt.Errorf("%d %s, %+v", w.status, w.problem, r.Enforcement)
			}
			return nil
		})
		if a := f.ask(f.ctx, there, who); a.status != http.StatusUnauthorized {
			t.Errorf("%s answers the revoked with %d", there.Name, a.status)
		}
		writing()
		w.apart(at, 3, false)
		s.current(t, f.stream)
	}
	f.judge()
}
