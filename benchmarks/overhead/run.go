package main

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

// result holds the figures of a scenario.
type result struct {
	Scenario scenario `json:"scenario"`
	Load     string   `json:"load_average"`
	Gateways []string `json:"gateways"` // the base first
	// Rounds hold a slice of each gateway.
	Rounds  []map[string]slice `json:"rounds"`
	Dropped int                `json:"dropped_rounds"` // in which a gateway did not have its core
	// Writing is the CPU time of one revocation without other requests, in
	// microseconds, by gateway.
	Writing map[string]float64 `json:"writing_us,omitempty"`
	Failed  int64              `json:"failed_revocations"`
	Ready   map[string]float64 `json:"ready_seconds"` // from start until the gateway decided
}

// place holds the state that all scenarios share.
type place struct {
	options
	binaries
	dir      string
	provider *rig.Provider
	upstream string
	stop     func()

	signedOut *atomic.Int64 // so many users, at most
}

func newPlace(o options) (*place, error) {
	dir, err := os.MkdirTemp("", "curfew-overhead-")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	p := &place{options: o, dir: dir, signedOut: new(atomic.Int64), stop: func() { _ = os.RemoveAll(dir) }}
	if p.binaries, err = o.find(dir); err != nil {
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

// settings are what every gateway has.
func (p *place) settings(name string) settings {
	return settings{
		Name: name, Issuer: p.provider.URL, Upstream: p.upstream, Audience: rig.Audience, Secret: secret, Cache: p.cache,
	}
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
		f       field
		entries = -1
		results []result
	)
	defer func() { f.stop() }()
	for _, s := range chosen {
		if s.Entries != entries {
			f.stop()
			if f, err = p.start(s.Entries); err != nil {
				return err
			}
			entries = s.Entries
		}
		r, err := p.measure(f, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		for _, name := range r.Gateways[1:] {
			fmt.Fprintf(os.Stderr, "%s, %s: %+.1f µs\n", s, name, r.added(name).Median)
		}
		results = append(results, r)
	}
	return report(o, machine, results)
}

// measure runs one scenario.
func (p *place) measure(f field, s scenario) (result, error) {
	tokens, err := p.provider.Tokens(s.Tokens)
	if err != nil {
		return result{}, err
	}
	r := result{Scenario: s, Load: rig.LoadAverage(), Ready: make(map[string]float64), Writing: make(map[string]float64)}
	b := &bench{options: p.options, requests: make(map[*gateway][][]byte), revokers: make(map[*gateway]*revoker)}
	for _, g := range f {
		r.Gateways = append(r.Gateways, g.Name)
		r.Ready[g.Name] = g.ready.Seconds()
		for _, token := range tokens {
			b.requests[g] = append(b.requests[g], rig.Request(g.App, token))
		}
		if s.Revocations > 0 && g.Guarded() {
			b.revokers[g] = newRevoker(g, p.arrive, s.Revocations)
		}
	}
	if err := b.warm(f, s); err != nil {
		return r, err
	}
	for g := range b.revokers {
		if r.Writing[g.Name], err = b.writing(g, s.Revocations); err != nil {
			return r, err
		}
	}
	if p.profiles != "" {
		for _, g := range f {
			if err := b.profile(g, s); err != nil {
				return r, err
			}
		}
	}
	order := slices.Clone(f)
	for tries := 0; len(r.Rounds) < p.rounds && tries < 3*p.rounds; tries++ {
		slices.Reverse(order)
		slices, err := b.round(order, s)
		if err != nil {
			return r, err
		}
		if p.core != "" && least(slices) < p.utilisation {
			r.Dropped++
			continue
		}
		r.Rounds = append(r.Rounds, slices)
	}
	if len(r.Rounds) == 0 {
		return r, fmt.Errorf("no round in which every gateway had %.0f %% of its core: try again while the machine is idle, or lower -utilisation", 100*p.utilisation)
	}
	for _, revoker := range b.revokers {
		r.Failed += revoker.failed.Load()
	}
	return r, nil
}

// warm sends every token once and fills every connection pool.
func (b *bench) warm(f field, s scenario) error {
	long := *b
	long.slice = max(b.slice, time.Duration(s.Tokens)*300*time.Microsecond)
	for _, g := range f {
		if _, err := long.closed(g, 0); err != nil {
			return err
		}
	}
	return nil
}

// round runs, for each gateway, a closed loop and for a while an open loop.
func (b *bench) round(order field, s scenario) (map[string]slice, error) {
	slices := make(map[string]slice)
	for _, g := range order {
		saturated, err := b.closed(g, s.Revocations)
		if err != nil {
			return nil, err
		}
		if b.rate > 0 {
			eased, err := b.open(g, s.Revocations)
			if err != nil {
				return nil, err
			}
			saturated.P50, saturated.P99, saturated.P999 = eased.P50, eased.P99, eased.P999
		}
		slices[g.Name] = saturated
	}
	return slices, nil
}

// least returns the smallest utilisation of a round.
func least(round map[string]slice) float64 {
	least := 1.0
	for _, s := range round {
		least = min(least, s.Utilisation)
	}
	return least
}
