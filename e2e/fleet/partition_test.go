//go:build e2e

package fleet

import (
	"cmp"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/internal/seedtest"
)

// healed is how soon a gateway serves again once the servers can be reached, and
// healedBusy how soon on a machine that has much else to do.
const (
	healed     = 2 * time.Second
	healedBusy = 5 * healed
)

// F-14: a gateway that is cut off, in each of the ways in which a network can,
// is fenced after its max_staleness, ends what is open, and is back without a
// restart soon after the network is.
func TestCutOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, int(linesCount)) // one for each way, and one that stays
	writer := f.gateways[0]
	people := crowd("person", 8)
	f.load(people, 20*time.Millisecond, f.gateways...)
	instances := make(map[string]string)
	var talks []conversation
	for _, g := range f.gateways[1:] {
		talks = append(talks, f.talk(g, people[0])...)
		instances[g.Name] = f.self(g).Node
	}
	stays := f.talk(writer, people[0])

	for i, g := range f.gateways[1:] {
		g.line(line(i + 1))
	}
	r := f.mustRevoke(writer, people[1], "wait", "0s")
	answered, by := time.Now(), r.Enforcement.EnforcedBy
	if by == nil {
		t.Fatal("the receipt has no bound")
	}
	if late := by.Sub(answered); late > maxStaleness+time.Millisecond { // to which it is rounded up
		t.Errorf("the bound is %s after the answer", late)
	}
	rest(t.Context(), time.Until(by.Time))
	for _, g := range f.gateways[1:] {
		for _, who := range people[:2] {
			if a := f.ask(f.ctx, g, who); a.status != http.StatusServiceUnavailable || a.problem() != "urn:curfew:stale" || a.header.Get("Retry-After") == "" {
				t.Errorf("%s, cut off, answers %d %s", g.Name, a.status, a.problem())
			}
		}
		if s := f.self(g); s.State != "fenced" || s.Why == "" {
			t.Errorf("%s, cut off, says %+v", g.Name, s)
		}
	}
	ends(t, talks)
	goOn(t, stays)
	r, _ = f.receipt(writer, people[1], r.ID)
	if r.Enforcement.State != "enforced" {
		t.Errorf("the receipt says %+v", r.Enforcement)
	}

	var healing sync.WaitGroup
	for i, g := range f.gateways[1:] {
		g.line(open)
		healing.Go(func() {
			took := gatewaytest.Eventually(t, patience, g.Name+" serves again", g.Ready)
			if took > healedBusy {
				t.Errorf("%s, which was %s, serves again after %s, want %s on a machine that has nothing else to do", g.Name, line(i+1), took, healed)
			}
			t.Logf("%s, which was %s, serves again after %s", g.Name, line(i+1), took)
		})
	}
	healing.Wait()
	for _, g := range f.gateways[1:] {
		if now := f.self(g).Node; now != instances[g.Name] {
			t.Errorf("%s was restarted: %s is now %s", g.Name, instances[g.Name], now)
		}
		if a := f.decides(g, people[1]); a.status != http.StatusUnauthorized {
			t.Errorf("%s, healed, answers the revoked with %d", g.Name, a.status)
		}
	}
	f.judge()
}

// self is a gateway's own line.
func (f *fleet) self(g *gateway) adminclient.NodeStatus {
	f.t.Helper()
	s, err := g.self(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// F-14, at random: any of the gateways, any way, any time.
func TestRandomPartitions(t *testing.T) {
	t.Parallel()
	fleets, rounds := pick(1, 4), pick(3, 25)
	for n := range fleets {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			p := partitions{fleet: newFleet(t, nil, 4), random: seedtest.New(t)}
			people := crowd("person", rounds)
			p.load(append(people, "bystander"), 15*time.Millisecond, p.gateways...)
			for _, person := range people {
				p.round(person)
			}
			t.Logf("%d partitions, of which %d outlasted a bound; %d gateways cut off; the slowest served again after %s",
				rounds, p.outlasted, p.cut, p.slowest)
			p.judge()
		})
	}
}

type partitions struct {
	*fleet
	random         *mathrand.Rand
	outlasted, cut int
	slowest        time.Duration
}

func (p *partitions) upTo(d time.Duration) time.Duration {
	return time.Duration(p.random.Int64N(int64(d)))
}

// round cuts some gateways off, revokes somebody on the other side at some
// moment, and heals, mostly after the bound.
func (p *partitions) round(person string) {
	minority := make([]*gateway, 0, len(p.gateways))
	for _, i := range p.random.Perm(len(p.gateways))[:1+p.random.IntN(len(p.gateways)-1)] {
		minority = append(minority, p.gateways[i])
	}
	majority, ways := p.others(minority), make(map[*gateway]line)
	for _, g := range minority {
		rest(p.ctx, p.upTo(200*time.Millisecond))
		ways[g] = line(1 + p.random.IntN(int(linesCount)-1))
		g.line(ways[g])
	}
	p.cut += len(minority)
	rest(p.ctx, p.upTo(maxStaleness))
	w, r := p.revokeSomewhere(majority, person)
	if by := r.Enforcement.EnforcedBy; by != nil && p.random.IntN(4) > 0 {
		rest(p.ctx, time.Until(by.Time))
		p.outlasted++
		for _, g := range p.gateways {
			if a := p.ask(p.ctx, g, person); a.status != 401 && a.status != 503 {
				p.t.Errorf("after its bound %s answers %s with %d", g.Name, person, a.status)
			}
		}
	}
	for _, g := range p.gateways {
		g.line(open)
	}
	p.heal(ways)
	if took := gatewaytest.Eventually(p.t, patience, "everybody enforces it", func() error {
		if r, _ = p.receipt(majority[0], person, w.id); r.Enforcement.State != "enforced" {
			return fmt.Errorf("the receipt says %+v", r.Enforcement)
		}
		return nil
	}); took > healed {
		p.t.Logf("the receipt was enforced %s after everybody was ready", took)
	}
}

// heal waits until all gateways serve, and says which took long.
func (p *partitions) heal(ways map[*gateway]line) {
	began := time.Now()
	for waiting := slices.Clone(p.gateways); len(waiting) > 0; rest(p.ctx, 20*time.Millisecond) {
		waiting = slices.DeleteFunc(waiting, func(g *gateway) bool {
			if g.Ready() != nil {
				return false
			}
			took := time.Since(began)
			if p.slowest = max(p.slowest, took); took > healed {
				p.t.Logf("%s, which was %s, serves again after %s:\n%s", g.Name, ways[g], took, gatewaytest.Tail(g.Log()))
			}
			return true
		})
		if time.Since(began) > patience {
			p.t.Fatalf("%s does not serve again", waiting[0].Name)
		}
	}
}

// revokeSomewhere asks gateways, one after another as a caller does who is told
// to retry, until one has done it: each may still be getting over the last round.
func (p *partitions) revokeSomewhere(gateways []*gateway, person string) (w write, r receipt) {
	wait := []string{"0s", "1s", "8s"}[p.random.IntN(3)]
	first := p.random.IntN(len(gateways))
	gatewaytest.Eventually(p.t, patience, "a write of the majority succeeds", func() error {
		w, r = p.revokeWithKey(gateways[first%len(gateways)], person, cmp.Or(w.key, rand.Text()), "wait", wait)
		first++
		if w.status != http.StatusCreated {
			return fmt.Errorf("%d %s", w.status, w.problem)
		}
		return nil
	})
	return w, r
}

func (p *partitions) others(than []*gateway) (rest []*gateway) {
	for _, g := range p.gateways {
		is := false
		for _, o := range than {
			is = is || o == g
		}
		if !is {
			rest = append(rest, g)
		}
	}
	return rest
}
