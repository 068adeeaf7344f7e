package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"curfew.dev/curfew/benchmarks/propagation/cluster"
	"curfew.dev/curfew/benchmarks/rig"
	"curfew.dev/curfew/node"
)

// scenario lists the callers of one measurement.
type scenario struct {
	Name string
	// singles are measured. The flood writes at the same time and is not
	// measured.
	singles, flood []caller
}

// result holds the figures of one scenario.
type result struct {
	Ledger   string  `json:"ledger"`
	Scenario string  `json:"scenario"`
	Rate     float64 `json:"acknowledged_per_second"` // single revocations
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	Max      float64 `json:"max_ms"`
	Flood    float64 `json:"flood_records_per_second"`
	Failed   int64   `json:"failed"`
	Failure  string  `json:"failure,omitempty"` // the first
	Load     string  `json:"load"`              // average of the machine, before
}

func run(o options) error {
	machine := rig.ThisMachine()
	dir, err := os.MkdirTemp(o.dir, "curfew-append-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	results, err := onLocal(o, dir)
	if err != nil {
		return err
	}
	more, err := onCluster(o, dir)
	if err != nil {
		return err
	}
	return report(o, machine, append(results, more...))
}

func onLocal(o options, dir string) ([]result, error) {
	n, err := alone(dir)
	if err != nil {
		return nil, err
	}
	defer stop([]*node.Node{n})
	return measureAll(o, "local", o.scenarios(n))
}

// onCluster measures a cluster with one node, and then with several nodes that
// share the requests of the callers.
func onCluster(o options, dir string) ([]result, error) {
	binary, err := cluster.Build(o.server, dir)
	if err != nil {
		return nil, err
	}
	servers, err := cluster.Start(binary, dir, o.servers)
	if err != nil {
		return nil, err
	}
	defer servers.Stop()
	name := fmt.Sprintf("cluster of %d", o.servers)
	one, err := together(servers.URLs(), o, dir, "ONE", 1)
	if err != nil {
		return nil, err
	}
	results, err := measureAll(o, name, o.scenarios(one[0]))
	stop(one)
	if err != nil || o.nodes == 1 {
		return results, err
	}
	several, err := together(servers.URLs(), o, dir, "SEVERAL", o.nodes)
	if err != nil {
		return nil, err
	}
	defer stop(several)
	spread, err := measureAll(o, name, []scenario{{
		Name:    fmt.Sprintf("%d callers, spread over %d nodes", o.callers, o.nodes),
		singles: crowd(several, o.callers, caller{records: 1}),
	}})
	return append(results, spread...), err
}

// scenarios are the measurements of one node.
func (o options) scenarios(n *node.Node) []scenario {
	one := []*node.Node{n}
	floods := crowd(one, o.imports, caller{records: o.chunk})
	steady := crowd(one, 1, caller{records: 1, rate: o.rate})
	return []scenario{
		{"one caller", crowd(one, 1, caller{records: 1}), nil},
		{fmt.Sprintf("%d callers", o.callers), crowd(one, o.callers, caller{records: 1}), nil},
		{fmt.Sprintf("%g/s, alone", o.rate), steady, nil},
		{fmt.Sprintf("%g/s beside %d imports in chunks of %d", o.rate, o.imports, o.chunk), steady, floods},
	}
}

// crowd makes callers of one kind and spreads them over the nodes.
func crowd(nodes []*node.Node, n int, like caller) (all []caller) {
	for i := range n {
		like.node = nodes[i%len(nodes)]
		all = append(all, like)
	}
	return all
}

func measureAll(o options, ledger string, all []scenario) (results []result, err error) {
	for _, s := range all {
		r, err := s.measure(o, ledger)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

func (s scenario) measure(o options, ledger string) (r result, err error) {
	r = result{Ledger: ledger, Scenario: s.Name, Load: rig.LoadAverage()}
	name := strings.NewReplacer(" ", "-", ",", "", "/", "-per-").Replace(ledger + " " + s.Name)
	end, err := rig.Profile(o.profiles, name)
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.length)
	defer cancel()
	var singles, flood wrote
	var done sync.WaitGroup
	began := time.Now()
	for _, c := range s.singles {
		done.Go(func() { c.run(ctx, &singles) })
	}
	for _, c := range s.flood {
		done.Go(func() { c.run(ctx, &flood) })
	}
	done.Wait()
	took := time.Since(began).Seconds()
	end()
	ms := func(q float64) float64 { return float64(singles.waits.Quantile(q)) / float64(time.Millisecond) }
	r.P50, r.P99, r.Max = ms(0.5), ms(0.99), ms(1)
	r.Rate, r.Flood = float64(singles.appends.Load())/took, float64(flood.records.Load())/took
	r.Failed = singles.failed.Load() + flood.failed.Load()
	if failure := cmp.Or(singles.failure, flood.failure); failure != nil {
		r.Failure = failure.Error()
	}
	if singles.appends.Load() == 0 {
		return r, fmt.Errorf("%s, %s: nothing was acknowledged: %s", ledger, s.Name, r.Failure)
	}
	return r, nil
}
