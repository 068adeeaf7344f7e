//go:build e2e

package fleet

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/internal/gatewaytest"
)

// F-21, F-23: something that can't be read stands in the stream. No node goes on
// behind it, each says why, none crashes, and `adopt` on one of them mends all.
func TestPoison(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ subject, data, why string }{
		"garbage":        {"log.entry", "\x01\xff\xff", "malformed"},
		"a newer record": {"log.entry", "\x01\x01w\x01\x01\x00\x02\x09\x09", "newer Curfew"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, nil, 3)
			before := crowd("before", 5)
			for i, who := range before {
				f.mustRevoke(f.gateways[i%3], who)
			}
			people := append(crowd("person", 3), before...)
			f.load(people, 20*time.Millisecond, f.gateways...)
			f.servers.publish(t, f.stream+"."+tt.subject, []byte(tt.data))
			f.damaged(tt.why)
			if name == "garbage" { // nor does a restart help, or crash
				f.gateways[2].Stop(t)
				f.gateways[2].begin(t)
				f.damaged(tt.why)
			}
			f.adopt(f.gateways[0])
			f.mustRevoke(f.gateways[1], people[0])
			f.judge()
		})
	}
}

// damaged waits until no gateway serves and each says why, and looks whether
// they stay so.
func (f *fleet) damaged(why string) {
	f.t.Helper()
	for _, g := range f.gateways {
		took := gatewaytest.Eventually(f.t, patience, g.Name+" notices", func() error {
			s, err := g.self(f.t.Context())
			if err != nil {
				return err
			}
			if s.State != "damaged" || !strings.Contains(s.Why, why) {
				return fmt.Errorf("it says %+v", s)
			}
			return nil
		})
		f.t.Logf("%s noticed after %s", g.Name, took.Round(time.Millisecond))
	}
	for range 5 {
		for _, g := range f.gateways {
			if !g.Process.Running() {
				f.t.Fatalf("%s has ended:\n%s", g.Name, gatewaytest.Tail(g.Log()))
			}
			a := f.ask(f.t.Context(), g, "bystander")
			if a.status != http.StatusServiceUnavailable || a.problem() != "urn:curfew:not-ready" {
				f.t.Errorf("%s, damaged, answers %d %s", g.Name, a.status, a.problem())
			}
			if status, err := g.Health("/readyz"); err == nil && status != http.StatusServiceUnavailable {
				f.t.Errorf("%s, damaged, answers /readyz with %d", g.Name, status)
			}
			if status, err := g.Health("/livez"); err == nil && status != http.StatusOK {
				f.t.Errorf("%s, damaged, answers /livez with %d: it would be restarted for ever", g.Name, status)
			}
		}
		rest(f.t.Context(), 200*time.Millisecond)
	}
}

// adopt is what docs/cluster.md tells an operator to do, at one gateway.
func (f *fleet) adopt(g *gateway) {
	f.t.Helper()
	out, err := g.curfew("adopt", "--stream", f.stream, "--node-name", g.Name, "--yes")
	if err != nil {
		f.t.Fatalf("adopting: %v\n%s", err, out)
	}
	began := time.Now()
	for _, g := range f.gateways {
		g.AwaitReady(f.t)
	}
	f.t.Logf("all serve %s after adopt", time.Since(began).Round(time.Millisecond))
}

// F-24: the stream has lost its tail and hands the same sequences out again, as
// servers do that forgot what they had acknowledged. Nobody serves from less,
// and `adopt` brings back what the gateways' replicas know.
func TestLostTail(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 3)
	people := crowd("person", 6)
	f.load(people, 20*time.Millisecond, f.gateways...)
	for i, who := range people[:5] {
		f.mustRevoke(f.gateways[i%3], who)
	}
	f.loseTail(2)
	began := time.Now()
	for _, g := range f.gateways {
		gatewaytest.Eventually(t, patience, g.Name+" notices", func() error {
			if s := f.self(g); s.State != "damaged" {
				return fmt.Errorf("it says %+v", s)
			}
			return nil
		})
	}
	t.Logf("all noticed within %s", time.Since(began).Round(time.Millisecond))
	f.damaged("")
	for _, g := range f.gateways {
		if n := g.metric(t, "curfew_ledger_integrity_failures_total"); n < 1 {
			t.Errorf("%s counts %v integrity failures", g.Name, n)
		}
	}
	if w, _ := f.revoke(f.gateways[1], people[5]); w.status != http.StatusServiceUnavailable {
		t.Errorf("a write meanwhile: %d %s", w.status, w.problem)
	}
	f.adopt(f.gateways[0])
	f.mustRevoke(f.gateways[1], people[5])
	// Who joins now reads the stream alone.
	f.add("edge-4").start(t)
	f.judge()
}

// loseTail puts a stream in the place of the ledger that ends earlier.
func (f *fleet) loseTail(keep uint64) {
	f.t.Helper()
	js, ctx := f.servers.js, f.t.Context()
	s, err := js.Stream(ctx, f.stream)
	if err != nil {
		f.t.Fatal(err)
	}
	var kept []*jetstream.RawStreamMsg
	for n := uint64(1); n <= keep; n++ {
		m, err := s.GetMsg(ctx, n)
		if err != nil {
			f.t.Fatal(err)
		}
		kept = append(kept, m)
	}
	config := s.CachedInfo().Config
	if err := js.DeleteStream(ctx, f.stream); err != nil {
		f.t.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, config); err != nil {
		f.t.Fatal(err)
	}
	for _, m := range kept {
		// A node's tick may come before ours: then the tail is another one, which
		// is as good.
		if _, err := js.Publish(ctx, m.Subject, m.Data); err != nil {
			f.t.Fatal(err)
		}
	}
}
