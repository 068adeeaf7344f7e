//go:build e2e

package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
)

// F-16: gateways that start without a ledger, many at once, and can't reach it
// yet. Until they know everything they admit nobody; then they know everybody.
func TestHerd(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 2)
	for range pick(1, 3) {
		f.importMany(f.gateways[0], "absent", pick(5_000, 10_000))
	}
	revoked := crowd("revoked", 4)
	for _, who := range revoked {
		f.mustRevoke(f.gateways[0], who)
	}
	people := append([]string{"good"}, revoked...)
	f.load(people, 20*time.Millisecond, f.gateways...)
	var herd []*gateway
	for i := range pick(10, 50) {
		g := f.add(fmt.Sprintf("new-%d", i+1))
		g.line(cutBoth)
		g.begin(t)
		herd = append(herd, g)
	}
	for _, g := range herd {
		gatewaytest.Eventually(t, patience, g.Name+" lives", func() error {
			if _, err := g.Health("/livez"); err != nil {
				return err
			}
			if a := f.ask(f.ctx, g, "good"); a.status == 0 { // which is another server of its
				return fmt.Errorf("it does not answer at %s yet", g.App)
			}
			return nil
		})
		for _, who := range []string{"good", revoked[0]} {
			if a := f.ask(f.ctx, g, who); a.status != http.StatusServiceUnavailable || a.problem() != "urn:curfew:not-ready" {
				t.Errorf("%s, which knows nothing, answers %s with %d %s", g.Name, who, a.status, a.problem())
			}
		}
		if g.Ready() == nil {
			t.Errorf("%s says that it is ready", g.Name)
		}
	}
	f.load(people, pick[time.Duration](100, 500)*time.Millisecond, herd...)
	began := time.Now()
	for _, g := range herd {
		g.line(open)
	}
	for _, g := range herd {
		gatewaytest.Eventually(t, patience, g.Name+" is ready", g.Ready)
	}
	t.Logf("a herd of %d is ready after %s", len(herd), time.Since(began).Round(time.Millisecond))
	all(herd, func(g *gateway) {
		if a := f.decides(g, "good"); a.status != http.StatusOK {
			t.Errorf("%s, ready, answers the good with %d", g.Name, a.status)
		}
		if a := f.decides(g, revoked[0]); a.status != http.StatusUnauthorized {
			t.Errorf("%s, ready, answers the revoked with %d", g.Name, a.status)
		}
	})
	f.judge()
}

// Three gateways join a fleet that is busy: never is a request decided by an
// index that is not complete.
func TestJoiningUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 3)
	people := crowd("person", 40)
	f.importMany(f.gateways[0], "absent", pick(5_000, 50_000))
	f.load(people, 20*time.Millisecond, f.gateways...)
	var joining []*gateway
	for i := range 3 {
		g := f.add(fmt.Sprintf("new-%d", i+1))
		g.begin(t)
		joining = append(joining, g)
	}
	f.load(people, 5*time.Millisecond, joining...) // from the first moment
	for i, who := range people[:30] {
		f.mustRevoke(f.gateways[i%3], who, "wait", "0s")
		rest(t.Context(), 50*time.Millisecond)
	}
	for _, g := range joining {
		g.AwaitReady(t)
	}
	for i, who := range people[30:36] {
		f.mustRevoke(joining[i%3], who)
	}
	f.judge()
}

// importMany revokes people of a name who never come.
func (f *fleet) importMany(g *gateway, name string, n int) {
	f.t.Helper()
	if got, err := g.importLines(f.lines(name, n)); err != nil || got != n {
		f.t.Fatalf("importing: %d lines of %d were taken: %v", got, n, err)
	}
}

// importLines counts the lines that were taken.
func (g *gateway) importLines(lines io.Reader) (taken int, _ error) {
	for line, err := range g.as(importer).Import(context.Background(), lines, "") {
		if err != nil {
			return taken, err
		}
		if line.Status == http.StatusCreated {
			taken++
		}
	}
	return taken, nil
}

// lines are the body of an import.
func (f *fleet) lines(name string, n int) *bytes.Reader {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for i := range n {
		_ = enc.Encode(object{"target": object{"iss": f.issuer.URL, "sub": fmt.Sprintf("%s-%d", name, i)}})
	}
	return bytes.NewReader([]byte(b.String()))
}
