package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

// passedOn are headers like those of curfew, set by reverse_proxy itself. They
// measure the cost of passing an identity on without curfew.
var passedOn = []string{
	"X-Authenticated true", "X-Issuer https://login.example.test", "X-Subject user-0000001", "X-Client web",
	"X-Session sid-user-0000001", "X-Device device-user-0000001", "X-Tenant contoso", `X-Scope "read write"`, "X-Acr mfa",
	`X-Amr "pwd otp"`, "X-Auth-Time 1795168800", "X-Expires-At 1795172400",
}

// result holds the figures of a scenario.
type result struct {
	Scenario scenario `json:"scenario"`
	Load     string   `json:"load_average"`
	Bare     []slice  `json:"bare"`
	Guarded  []slice  `json:"guarded"`
	Passing  []slice  `json:"passing"` // bare, with the same number of headers added
	// Writing is the CPU time of one revocation without other requests, in
	// microseconds.
	Writing float64 `json:"writing_us"`
	Failed  int64   `json:"failed_revocations"`
	Ready   float64 `json:"ready_seconds"` // from start until the guarded gateway decided
}

// place holds the state that all scenarios share.
type place struct {
	options
	dir      string
	binary   string
	provider *rig.Provider
	upstream string
	stop     func()
}

func newPlace(o options) (*place, error) {
	dir, err := os.MkdirTemp("", "curfew-overhead-")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	p := &place{options: o, dir: dir, stop: func() { _ = os.RemoveAll(dir) }}
	if p.binary, err = buildCaddy(o, dir); err != nil {
		p.stop()
		return nil, err
	}
	if p.provider, err = rig.NewProvider("127.0.0.1:0", o.algorithm); err != nil {
		p.stop()
		return nil, err
	}
	upstream, address, err := rig.StartUpstream(dir, "")
	if err != nil {
		p.stop()
		return nil, err
	}
	p.upstream = address
	p.stop = func() {
		upstream.Stop()
		_ = os.RemoveAll(dir)
	}
	return p, nil
}

// trio holds the gateways that are compared.
type trio struct{ bare, guarded, passing *gateway }

func (t *trio) stop() {
	for _, g := range []*gateway{t.bare, t.guarded, t.passing} {
		if g != nil {
			g.Stop()
		}
	}
}

func (p *place) start(entries int) (*trio, error) {
	ledger := filepath.Join(p.dir, fmt.Sprint("ledger-", entries))
	if err := os.Mkdir(ledger, 0o700); err != nil {
		return nil, fmt.Errorf("making a directory for the ledger: %w", err)
	}
	if err := fill(ledger, p.provider.URL, entries); err != nil {
		return nil, err
	}
	common := settings{
		Issuer: p.provider.URL, Upstream: p.upstream, Audience: rig.Audience, Secret: secret, Ledger: ledger, Cache: p.cache,
	}
	bare, guarded, passing := common, common, common
	bare.Name, guarded.Name, passing.Name = "bare", "guarded", "passing"
	guarded.Guarded, passing.Headers = true, passedOn
	t := new(trio)
	for _, each := range []struct {
		into **gateway
		settings
	}{{&t.bare, bare}, {&t.guarded, guarded}, {&t.passing, passing}} {
		g, err := startGateway(p.options, p.binary, p.dir, each.settings)
		if err != nil {
			t.stop()
			return nil, err
		}
		*each.into = g
	}
	return t, nil
}

func run(o options) error {
	chosen, err := o.chosen()
	if err != nil {
		return err
	}
	machine := rig.ThisMachine()
	p, err := newPlace(o)
	if err != nil {
		return err
	}
	defer p.stop()
	var (
		t       *trio
		entries = -1
		results []result
	)
	defer func() {
		if t != nil {
			t.stop()
		}
	}()
	for _, s := range chosen {
		if s.Entries != entries {
			if t != nil {
				t.stop()
			}
			if t, err = p.start(s.Entries); err != nil {
				return err
			}
			entries = s.Entries
		}
		r, err := p.measure(t, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		fmt.Fprintf(os.Stderr, "%s: +%.1f µs\n", s, r.added().Median)
		results = append(results, r)
	}
	return report(o, machine, results)
}

// measure runs one scenario.
func (p *place) measure(t *trio, s scenario) (result, error) {
	tokens, err := p.provider.Tokens(s.Tokens)
	if err != nil {
		return result{}, err
	}
	b := &bench{options: p.options, requests: make(map[*gateway][][]byte)}
	for _, g := range []*gateway{t.bare, t.guarded, t.passing} {
		for _, token := range tokens {
			b.requests[g] = append(b.requests[g], rig.Request(g.App, token))
		}
	}
	if s.Revocations > 0 {
		b.revoker = newRevoker(t.guarded, p.arrive, s.Revocations)
	}
	r := result{Scenario: s, Load: rig.LoadAverage(), Ready: t.guarded.ready.Seconds()}
	if err := b.warm(t, s); err != nil {
		return r, err
	}
	if b.revoker != nil {
		if r.Writing, err = b.writing(t.guarded, s.Revocations); err != nil {
			return r, err
		}
	}
	if p.profiles != "" {
		for _, g := range []*gateway{t.bare, t.guarded, t.passing} {
			if err := b.profile(g, s); err != nil {
				return r, err
			}
		}
	}
	for n := range p.rounds {
		order := []*gateway{t.bare, t.guarded, t.passing}
		if n%2 == 1 {
			order = []*gateway{t.passing, t.guarded, t.bare}
		}
		for _, g := range order {
			if err := b.round(g, s, t.into(&r, g)); err != nil {
				return r, err
			}
		}
	}
	if b.revoker != nil {
		r.Failed = b.revoker.failed.Load()
	}
	return r, nil
}

// into returns the place for the slices of a gateway.
func (t *trio) into(r *result, g *gateway) *[]slice {
	switch g {
	case t.bare:
		return &r.Bare
	case t.guarded:
		return &r.Guarded
	}
	return &r.Passing
}

// warm sends every token once and fills every connection pool.
func (b *bench) warm(t *trio, s scenario) error {
	long := *b
	long.slice = max(b.slice, time.Duration(s.Tokens)*200*time.Microsecond)
	for _, g := range []*gateway{t.bare, t.guarded, t.passing} {
		if _, err := long.closed(g, 0); err != nil {
			return err
		}
	}
	return nil
}

// round runs one closed loop and, for a while, one open loop.
func (b *bench) round(g *gateway, s scenario, into *[]slice) error {
	saturated, err := b.closed(g, s.Revocations)
	if err != nil {
		return err
	}
	eased, err := b.open(g, s.Revocations)
	if err != nil {
		return err
	}
	saturated.P50, saturated.P99, saturated.P999 = eased.P50, eased.P99, eased.P999
	*into = append(*into, saturated)
	return nil
}
