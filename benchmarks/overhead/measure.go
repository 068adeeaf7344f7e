package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

// slice holds the figures of one gateway for one slice of time.
type slice struct {
	CPU          float64 `json:"cpu_us"` // microseconds of CPU per request
	Throughput   float64 `json:"requests_per_second"`
	P50          float64 `json:"p50_us"`
	P99          float64 `json:"p99_us"`
	P999         float64 `json:"p999_us"`
	Allocations  float64 `json:"allocations"` // per request
	Bytes        float64 `json:"bytes"`       // allocated per request
	GCShare      float64 `json:"gc_share"`    // of the CPU time
	Heap         uint64  `json:"heap_bytes"`
	Utilisation  float64 `json:"utilisation"` // CPU time of the time by the clock: 1 is its whole core
	Acknowledged float64 `json:"revocations_per_second"`
}

// rig under load.
type bench struct {
	options
	requests map[*gateway][][]byte
	revokers map[*gateway]*revoker // of guarded gateways; empty: nothing is revoked
}

// closed saturates a gateway for a slice.
func (b *bench) closed(g *gateway, rate float64) (slice, error) {
	before, err := g.memory()
	if err != nil {
		return slice{}, err
	}
	load := rig.Load{Address: g.App, Requests: b.requests[g], Connections: b.connections}
	out, cpu, acknowledged, err := b.apply(g, load, rate)
	if err != nil {
		return slice{}, err
	}
	after, err := g.memory()
	if err != nil {
		return slice{}, err
	}
	n := float64(out.Answered())
	return slice{
		CPU: micro(cpu) / n, Throughput: n / out.Elapsed.Seconds(),
		Allocations: float64(after.Mallocs-before.Mallocs) / n, Bytes: float64(after.TotalAlloc-before.TotalAlloc) / n,
		GCShare: (after.gcTime(g.started) - before.gcTime(g.started)).Seconds() / cpu.Seconds(), Heap: after.HeapAlloc,
		Utilisation:  cpu.Seconds() / out.Elapsed.Seconds(),
		Acknowledged: float64(acknowledged) / out.Elapsed.Seconds(),
	}, nil
}

// open takes latencies at a rate that does not saturate the gateway.
func (b *bench) open(g *gateway, rate float64) (slice, error) {
	load := rig.Load{Address: g.App, Requests: b.requests[g], Connections: b.connections, Rate: b.rate}
	out, _, _, err := b.apply(g, load, rate)
	if err != nil {
		return slice{}, err
	}
	l := out.Latencies
	return slice{P50: micro(l.Quantile(0.5)), P99: micro(l.Quantile(0.99)), P999: micro(l.Quantile(0.999))}, nil
}

// apply runs a load on a gateway for a slice, while revocations arrive at a
// guarded one.
func (b *bench) apply(g *gateway, load rig.Load, rate float64) (*rig.Outcome, time.Duration, int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), b.slice)
	defer cancel()
	revoked := make(chan int64, 1)
	go func() {
		if b.revokers[g] == nil {
			revoked <- 0
			return
		}
		revoked <- b.revokers[g].run(ctx, rate)
	}()
	before, err := g.CPU()
	if err != nil {
		return nil, 0, 0, err
	}
	out, err := load.Run(ctx)
	if err != nil {
		return nil, 0, 0, err
	}
	after, err := g.CPU()
	if err != nil {
		return nil, 0, 0, err
	}
	acknowledged := <-revoked
	if err := out.Only(http.StatusOK); err != nil {
		return nil, 0, 0, fmt.Errorf("%s: %w", g.Name, err)
	}
	return out, after - before, acknowledged, nil
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// writing measures the CPU time of one revocation without other requests.
func (b *bench) writing(g *gateway, rate float64) (float64, error) {
	before, err := g.CPU()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.slice)
	defer cancel()
	n := b.revokers[g].run(ctx, rate)
	after, err := g.CPU()
	if err != nil || n == 0 {
		return 0, err
	}
	return micro(after-before) / float64(n), nil
}
