package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"curfew.dev/curfew/benchmarks/propagation/cluster"
	"curfew.dev/curfew/benchmarks/rig"
)

// result holds the figures of one rate.
type result struct {
	Rate    float64 `json:"rate"`
	Sent    int     `json:"sent"`
	Failed  int     `json:"failed"`
	Failure string  `json:"failure,omitempty"` // the first
	// From when it was due until Submit returned; until each node refused, and
	// the last of them did; until the request on another node was over; until
	// the receipt said enforced.
	Submit     quantiles `json:"submit"`
	Each       quantiles `json:"each_node"`
	Everywhere quantiles `json:"everywhere"`
	Ended      quantiles `json:"live_request_ended"`
	Receipt    quantiles `json:"receipt"`
	// Cores that were busy meanwhile, for all nodes and for all servers.
	NodeCores   float64 `json:"node_cores"`
	ServerCores float64 `json:"server_cores"`
	Load        string  `json:"load"` // average of the machine, before
}

// quantiles are in milliseconds.
type quantiles struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func quantilesOf(l *rig.Latencies) quantiles {
	ms := func(q float64) float64 { return float64(l.Quantile(q)) / float64(time.Millisecond) }
	return quantiles{ms(0.5), ms(0.99), ms(1)}
}

func run(o options) error {
	machine := rig.ThisMachine()
	dir, err := os.MkdirTemp(o.dir, "curfew-propagation-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	replicas, err := os.MkdirTemp(cmp.Or(o.replicas, dir), "curfew-replicas-")
	if err != nil {
		return fmt.Errorf("making a directory for the replicas: %w", err)
	}
	defer os.RemoveAll(replicas)
	binary, err := cluster.Build(o.server, dir)
	if err != nil {
		return err
	}
	servers, err := cluster.Start(binary, dir, o.servers)
	if err != nil {
		return err
	}
	defer servers.Stop()
	results, err := measure(o, servers, replicas)
	if err != nil {
		return err
	}
	return report(o, machine, results)
}

// spare is the number of entries that a fleet may write before the measurement.
const spare = 1000

func measure(o options, servers *cluster.Cluster, dir string) ([]result, error) {
	entries := spare
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	schedules := make([][]time.Duration, len(o.rates))
	for i, rate := range o.rates {
		schedules[i] = arrivals(random, rate, o.length)
		entries += len(schedules[i])
	}
	f, err := startFleet(servers.URLs(), o, dir, entries)
	if err != nil {
		return nil, err
	}
	defer f.stop()
	var results []result
	for i, rate := range o.rates {
		r, err := f.measure(o, rate, schedules[i], servers)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// measure runs one round.
func (f fleet) measure(o options, rate float64, due []time.Duration, servers *cluster.Cluster) (r result, err error) {
	r = result{Rate: rate, Sent: len(due), Load: rig.LoadAverage()}
	all := f.prepare(fmt.Sprint("at-", rate), due, o.writers)
	stop, err := rig.Profile(o.profiles, fmt.Sprintf("propagation-%g", rate))
	if err != nil {
		return r, err
	}
	began, own := time.Now(), ownCPU()
	theirs, cpuErr := servers.CPU()
	f.play(all, due, o.writers)
	took := time.Since(began)
	r.NodeCores = (ownCPU() - own).Seconds() / took.Seconds()
	if after, err := servers.CPU(); err == nil && cpuErr == nil {
		r.ServerCores = (after - theirs).Seconds() / took.Seconds()
	}
	stop()
	return r, r.take(f, all)
}

// take summarises a round and counts the failures. It returns an error if every
// revocation failed, or if a node does not refuse.
func (r *result) take(f fleet, all []*revoking) error {
	var submit, each, everywhere, ended, receipt rig.Latencies
	for _, one := range all {
		if one.err != nil {
			r.Failed++
			r.Failure = cmp.Or(r.Failure, one.err.Error())
			continue
		}
		last, err := f.everywhere(one, &each)
		if err != nil {
			return err
		}
		submit.Note(one.submit)
		everywhere.Note(last)
		ended.Note(one.session.over.Sub(one.due))
		receipt.Note(one.receipt)
	}
	r.Submit, r.Each, r.Everywhere = quantilesOf(&submit), quantilesOf(&each), quantilesOf(&everywhere)
	r.Ended, r.Receipt = quantilesOf(&ended), quantilesOf(&receipt)
	if r.Failed == r.Sent {
		return fmt.Errorf("at %g revocations/s all failed, the first because of: %s", r.Rate, r.Failure)
	}
	return nil
}
