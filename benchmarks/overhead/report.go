package main

import (
	"fmt"
	"strings"

	"curfew.dev/curfew/benchmarks/rig"
)

// paired summarises a figure of each pair of slices.
func paired(a, b []slice, figure func(a, b slice) float64) rig.Summary {
	var values []float64
	for i := range min(len(a), len(b)) {
		values = append(values, figure(a[i], b[i]))
	}
	return rig.Summarize(values)
}

func of(slices []slice, figure func(slice) float64) float64 {
	return paired(slices, slices, func(s, _ slice) float64 { return figure(s) }).Median
}

// added is the CPU time that curfew adds to a request, in microseconds.
func (r result) added() rig.Summary {
	return paired(r.Bare, r.Guarded, func(a, b slice) float64 { return b.CPU - a.CPU })
}

// share is the CPU time that curfew adds, in percent of Caddy's own.
func (r result) share() rig.Summary {
	return paired(r.Bare, r.Guarded, func(a, b slice) float64 { return 100 * (b.CPU - a.CPU) / a.CPU })
}

// deciding is the added CPU time without the work on the revocations that
// arrive in the same process.
func (r result) deciding() rig.Summary {
	return paired(r.Bare, r.Guarded, func(a, b slice) float64 {
		return b.CPU - b.Acknowledged*r.Writing/b.Throughput - a.CPU
	})
}

// passing is the CPU time that reverse_proxy needs to set the same number of
// headers.
func (r result) passing() rig.Summary {
	return paired(r.Bare, r.Passing, func(a, b slice) float64 { return b.CPU - a.CPU })
}

func table(o options, m rig.Machine, results []result) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s.\n%s tokens of %d characters, GOGC=%s, token_cache %s, %d pairs of slices of %s, %d connections; ",
		m, o.algorithm, rig.TokenLength, o.gogc, o.cache, o.rounds, o.slice, o.connections)
	fmt.Fprintf(&s, "latencies in an open loop of %g requests/s. Medians; spread in brackets.\n\n", o.rate)
	s.WriteString("| scenario | Caddy µs | added µs | added % | without the writing itself, µs | 12 headers by reverse_proxy µs | requests/s bare, guarded | " +
		"p50 / p99 / p99.9 µs bare | guarded | allocations bare, guarded | GC share bare, guarded | heap MB | machine load |\n")
	s.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&s, "| %s | %.1f | %s | %s | %s | %s | %.0f, %.0f | %s | %s | %.0f, %.0f | %.0f %%, %.0f %% | %.0f, %.0f | %s |\n",
			r.Scenario, of(r.Bare, func(s slice) float64 { return s.CPU }), spread(r.added()), spread(r.share()), spread(r.deciding()),
			spread(r.passing()),
			of(r.Bare, func(s slice) float64 { return s.Throughput }), of(r.Guarded, func(s slice) float64 { return s.Throughput }),
			quantiles(r.Bare), quantiles(r.Guarded),
			of(r.Bare, func(s slice) float64 { return s.Allocations }), of(r.Guarded, func(s slice) float64 { return s.Allocations }),
			of(r.Bare, gcPercent), of(r.Guarded, gcPercent), of(r.Bare, megabytes), of(r.Guarded, megabytes), r.Load)
	}
	for _, r := range results {
		if r.Scenario.Revocations > 0 {
			fmt.Fprintf(&s, "\n%s: %.0f/s acknowledged, %d calls failed; one costs %.0f µs of CPU by itself.", r.Scenario,
				of(r.Guarded, func(s slice) float64 { return s.Acknowledged }), r.Failed, r.Writing)
		}
	}
	return s.String() + "\n"
}

func spread(s rig.Summary) string { return fmt.Sprintf("%.1f (%.1f to %.1f)", s.Median, s.Min, s.Max) }

func quantiles(slices []slice) string {
	return fmt.Sprintf("%.0f / %.0f / %.0f", of(slices, func(s slice) float64 { return s.P50 }),
		of(slices, func(s slice) float64 { return s.P99 }), of(slices, func(s slice) float64 { return s.P999 }))
}

func gcPercent(s slice) float64 { return 100 * s.GCShare }

func megabytes(s slice) float64 { return float64(s.Heap) / 1e6 }

// report prints the table, and writes the files if a directory was named.
func report(o options, m rig.Machine, results []result) error {
	var bars []rig.Bar
	for _, r := range results {
		bars = append(bars, rig.Bar{Label: r.Scenario.String(), Summary: r.added()})
	}
	return rig.Report{
		Name: "overhead", Text: table(o, m, results), Plot: rig.Bars("CPU time that curfew adds to a proxied request", "µs", bars),
		Data: map[string]any{"machine": m, "results": results},
	}.Publish(o.out)
}
