//go:build e2e

package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/token/tokentest"
)

// maxStaleness of the tests' gateways: long enough for two busy cores.
const maxStaleness = 3 * time.Second

// fleet is some gateways of one ledger.
type fleet struct {
	t        *testing.T
	servers  *servers
	stream   string
	issuer   *tokentest.Issuer
	upstream *upstream
	history  *history
	gateways []*gateway

	dir     string
	began   time.Time
	tokens  sync.Map // by subject
	probes  atomic.Uint64
	ctx     context.Context
	quiet   context.CancelFunc
	traffic sync.WaitGroup
}

// option changes a gateway before it is started.
type option func(*gateway)

var streams atomic.Uint64

// newFleet runs n gateways, all ready, on servers, or on everybody's.
func newFleet(t *testing.T, on *servers, n int, options ...option) *fleet {
	t.Helper()
	if _, err := gatewaytest.Caddy(); err != nil {
		t.Fatal(err)
	}
	if on == nil {
		on = everybodys.get(t)
	}
	f := &fleet{
		t: t, servers: on, stream: fmt.Sprintf("F%d", streams.Add(1)), issuer: tokentest.Start(t), upstream: newUpstream(t), history: new(history),
		began: time.Now(),
	}
	f.ctx, f.quiet = context.WithCancel(context.Background())
	f.dir = t.TempDir()
	t.Cleanup(f.close)
	// The first begins the ledger; the others find it begun.
	for i := range n {
		g := f.add(fmt.Sprintf("edge-%d", i+1), options...)
		if i == 0 {
			g.start(t)
		} else {
			g.begin(t)
		}
	}
	for _, g := range f.gateways {
		g.AwaitReady(t)
	}
	f.acquainted()
	return f
}

// add makes a gateway that does not run yet.
func (f *fleet) add(name string, options ...option) *gateway {
	f.t.Helper()
	home := filepath.Join(f.dir, name)
	if err := os.Mkdir(home, 0o700); err != nil {
		f.t.Fatal(err)
	}
	g := &gateway{
		Gateway: gatewaytest.Gateway{
			Name: name, Home: home, Ops: freeAddress(), Endpoint: freeAddress(),
			Client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		},
		Issuer: f.issuer.URL, Stream: f.stream, Upstream: strings.TrimPrefix(f.upstream.URL, "http://"), MaxStaleness: maxStaleness,
		App: freeAddress(), API: freeAddress(),
	}
	for _, s := range f.servers.all {
		r, err := newRelay(s.client)
		if err != nil {
			f.t.Fatal(err)
		}
		g.relays = append(g.relays, r)
		g.URLs = append(g.URLs, "nats://"+r.address())
	}
	for _, o := range options {
		o(g)
	}
	f.gateways = append(f.gateways, g)
	return g
}

// acquainted waits until every gateway knows of every other that it is ready.
func (f *fleet) acquainted() {
	f.t.Helper()
	gatewaytest.Eventually(f.t, patience, "all know each other", func() error {
		for _, g := range f.gateways {
			list, err := g.nodes(f.ctx)
			if err != nil {
				return err
			}
			ready := 0
			for _, s := range list {
				if s.State == "ready" {
					ready++
				}
			}
			if ready < len(f.gateways) {
				return fmt.Errorf("%s sees %+v", g.Name, list)
			}
		}
		return nil
	})
	// A node that has just started gives no bounds: it can't know who else there is.
	r := f.mustRevoke(f.gateways[0], "nobody", "wait", "0s")
	for _, g := range f.gateways {
		gatewaytest.Eventually(f.t, patience, g.Name+" gives a bound", func() error {
			if r, status := f.receipt(g, "nobody", r.ID); r.Enforcement.EnforcedBy == nil || r.Enforcement.State != "enforced" {
				return fmt.Errorf("%d %+v", status, r.Enforcement)
			}
			return nil
		})
	}
}

// close ends what runs, and shows logs where something went wrong.
func (f *fleet) close() {
	f.quiet()
	f.traffic.Wait()
	for _, g := range f.gateways {
		g.line(open)
	}
	all(f.gateways, func(g *gateway) {
		if g.Process.Running() {
			_ = g.Process.Send(contSignal)
		}
		g.Stop(f.t)
	})
	for _, g := range f.gateways {
		for _, r := range g.relays {
			r.close()
		}
		if f.t.Failed() {
			f.t.Logf("the log of %s ends:\n%s", g.Name, gatewaytest.Tail(g.Log()))
		}
	}
}

// token is a subject's, who signed in before anybody was revoked.
func (f *fleet) token(subject string) string {
	if known, ok := f.tokens.Load(subject); ok {
		return known.(string)
	}
	signed := f.issuer.Sign(f.issuer.Claims("api", f.began), tokentest.Claims{"sub": subject, "sid": "sid-" + subject, "jti": "jti-" + subject})
	f.tokens.Store(subject, signed)
	return signed
}

// ask sends a request of a subject and notes it.
func (f *fleet) ask(ctx context.Context, g *gateway, subject string) (a answer) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.App+"/", nil)
	if err != nil {
		panic(err)
	}
	is := request{subject: subject, node: g.Name, probe: fmt.Sprint(f.probes.Add(1))}
	r.Header.Set("Authorization", "Bearer "+f.token(subject))
	r.Header.Set(probeHeader, is.probe)
	is.sent = time.Now()
	a, err = g.exchange(r)
	is.answered = time.Now()
	if err == nil {
		is.status = a.status
	}
	f.history.requested(is)
	return a
}

// revoke signs a subject out at a gateway, notes it, and returns the answer.
// Further members of the body come as name, value.
func (f *fleet) revoke(g *gateway, subject string, more ...string) (write, receipt) {
	return f.revokeWithKey(g, subject, rand.Text(), more...)
}

func (f *fleet) revokeWithKey(g *gateway, subject, key string, more ...string) (w write, r receipt) {
	body := object{"target": object{"iss": f.issuer.URL, "sub": subject}}
	for i := 0; i < len(more); i += 2 {
		body[more[i]] = more[i+1]
	}
	w = write{subject: subject, node: g.Name, key: key, sent: time.Now()}
	a, err := adminclient.Write[receipt](context.Background(), g.as(helpdesk), http.MethodPost, "/v1/revocations", body, key)
	w.answered = time.Now()
	if w.status, w.problem = outcome(err, http.StatusCreated); err == nil {
		r = a.Value
		w.id = r.ID
		f.history.saw(sight{subject, g.Name, w.answered, r})
	}
	f.history.wrote(w)
	return w, r
}

// mustRevoke is for where nothing is broken. On a busy machine a gateway may fence
// itself for a moment all the same, and says that a caller should retry.
func (f *fleet) mustRevoke(g *gateway, subject string, more ...string) (r receipt) {
	f.t.Helper()
	key := rand.Text()
	gatewaytest.Eventually(f.t, patience, "revoking "+subject+" at "+g.Name, func() error {
		var w write
		w, r = f.revokeWithKey(g, subject, key, more...)
		if w.status == http.StatusCreated {
			return nil
		}
		if w.status != http.StatusServiceUnavailable {
			f.t.Fatalf("revoking %s at %s: %d %s", subject, g.Name, w.status, w.problem)
		}
		return fmt.Errorf("%d %s", w.status, w.problem)
	})
	return r
}

// decides asks for a subject at a gateway that is ready, and returns the answer
// once there is one: on a busy machine it may be fenced for a moment.
func (f *fleet) decides(g *gateway, subject string) (a answer) {
	f.t.Helper()
	gatewaytest.Eventually(f.t, patience, g.Name+" decides about "+subject, func() error {
		if a = f.ask(context.Background(), g, subject); a.status == 0 || a.status == http.StatusServiceUnavailable {
			return fmt.Errorf("it answers %d %s", a.status, a.body)
		}
		return nil
	})
	return a
}

// receipt asks a gateway how a record stands, and notes what it says.
func (f *fleet) receipt(g *gateway, subject, id string) (receipt, int) {
	a, err := g.as(reader).Receipt(context.Background(), id)
	if err == nil {
		f.history.saw(sight{subject, g.Name, time.Now(), a.Value})
	}
	status, _ := outcome(err, http.StatusOK)
	return a.Value, status
}

// crowd names people.
func crowd(name string, n int) []string {
	people := make([]string, n)
	for i := range people {
		people[i] = fmt.Sprintf("%s-%d", name, i+1)
	}
	return people
}

// load has people ask gateways for as long as the test lasts, and looks where
// each gateway stands.
func (f *fleet) load(people []string, pause time.Duration, gateways ...*gateway) {
	for _, s := range people {
		f.token(s) // signing takes a while
	}
	for _, g := range gateways {
		f.traffic.Go(func() {
			for i := 0; f.ctx.Err() == nil; i++ {
				f.ask(f.ctx, g, people[i%len(people)])
				rest(f.ctx, pause)
			}
		})
		f.traffic.Go(func() {
			for f.ctx.Err() == nil {
				f.look(g)
				rest(f.ctx, 200*time.Millisecond)
			}
		})
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// look notes where a gateway stands, if it serves.
func (f *fleet) look(g *gateway) {
	s, err := g.self(f.ctx)
	if err != nil || s.State != "ready" {
		return
	}
	at := stand{node: g.Name, at: time.Now()}
	if _, err := fmt.Sscanf(s.Position, "%d.%d", &at.epoch, &at.seq); err == nil {
		f.history.stood(at)
	}
}

// judge ends the traffic, looks everything up that was acknowledged, and holds
// the history to the invariants. All gateways must be ready.
func (f *fleet) judge() {
	f.t.Helper()
	f.quiet()
	f.traffic.Wait()
	acked := f.history.acknowledged()
	caughtUp := f.gateways
	for i, g := range caughtUp {
		f.reaches(g, acked)
		f.find(g, every(acked, i))
	}
	f.history.note(func() {
		hits := f.upstream.all()
		for i := range f.history.requests {
			r := &f.history.requests[i]
			r.hits = hits[r.probe]
			delete(hits, r.probe)
		}
		if len(hits) > 0 {
			f.t.Errorf("I5: %d requests reached the service that nobody sent", len(hits))
		}
	})
	for i, wrong := range f.history.check() {
		if i == 20 {
			f.t.Error("and so on")
			break
		}
		f.t.Error(wrong)
	}
	f.t.Log(f.history.summary())
}

// mostLookups bounds what each gateway is asked for at the end.
const mostLookups = 150

// every spreads lookups over many writes, others for each gateway.
func every(acked []write, offset int) (some []write) {
	stride := len(acked)/mostLookups + 1
	for i := offset % stride; i < len(acked); i += stride {
		some = append(some, acked[i])
	}
	return some
}

// reaches waits until a gateway has read as far as what was acknowledged.
func (f *fleet) reaches(g *gateway, acked []write) {
	f.t.Helper()
	if len(acked) == 0 {
		return
	}
	last := acked[len(acked)-1]
	gatewaytest.Eventually(f.t, patience, g.Name+" has the last record", func() error {
		if _, status := f.receipt(g, last.subject, last.id); status != http.StatusOK {
			return fmt.Errorf("it answers %d", status)
		}
		return nil
	})
}

// find looks acknowledged records up, and whether they are enforced.
func (f *fleet) find(g *gateway, acked []write) {
	f.t.Helper()
	ctx := context.Background()
	for _, w := range acked {
		r, status := f.receipt(g, w.subject, w.id)
		is := finding{node: g.Name, subject: w.subject, id: w.id, status: status}
		if r.Target != nil {
			is.target = r.Target.Subject
		}
		found, _ := g.as(reader).Revocations(ctx, adminclient.Search{Issuer: f.issuer.URL, Subject: w.subject, Limit: 100})
		for _, item := range found.Value.Items {
			if item.ID == w.id {
				is.listed++
			}
		}
		f.history.looked(is)
		if a := f.decides(g, w.subject); a.status != http.StatusUnauthorized {
			f.t.Errorf("I1: %s was acknowledged for %s; %s answers it with %d %s", w.id, w.subject, g.Name, a.status, a.body)
		}
	}
}

// lose removes a directory.
func lose(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}
