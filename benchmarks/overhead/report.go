package main

import (
	"cmp"
	"fmt"
	"strings"

	"curfew.dev/curfew/benchmarks/rig"
)

// over summarises a figure of each round.
func (r result) over(figure func(round map[string]slice) float64) rig.Summary {
	var values []float64
	for _, round := range r.Rounds {
		values = append(values, figure(round))
	}
	return rig.Summarize(values)
}

// of is the median of a figure of a gateway.
func (r result) of(name string, figure func(slice) float64) float64 {
	return r.over(func(round map[string]slice) float64 { return figure(round[name]) }).Median
}

// added is the CPU time that a gateway takes beyond the base, for a request, in
// microseconds.
func (r result) added(name string) rig.Summary {
	return r.over(func(round map[string]slice) float64 { return round[name].CPU - round[base].CPU })
}

// share is the CPU time beyond the base, in percent of the base.
func (r result) share(name string) rig.Summary {
	return r.over(func(round map[string]slice) float64 { return 100 * (round[name].CPU/round[base].CPU - 1) })
}

// deciding is the added CPU time without the work on the revocations that
// arrive in the same process.
func (r result) deciding(name string) rig.Summary {
	return r.over(func(round map[string]slice) float64 {
		g := round[name]
		return g.CPU - g.Acknowledged*r.Writing[name]/g.Throughput - round[base].CPU
	})
}

func table(o options, m rig.Machine, results []result) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s.\nThe case: %s tokens of %d characters; a request has Authorization and two headers more, the answer %d bytes; no TLS; ",
		m, o.algorithm, rig.TokenLength, rig.AnswerLength)
	fmt.Fprintf(&s, "every token was sent before; GOGC=%s, token_cache %s; %d rounds of slices of %s, %d connections, a core for each gateway in turn. ",
		o.gogc, cmp.Or(o.cache, "not given"), o.rounds, o.slice, o.connections)
	if o.rate > 0 {
		fmt.Fprintf(&s, "Latencies in an open loop of %g requests/s. ", o.rate)
	}
	s.WriteString("Medians; quartiles in brackets.\n")
	for _, r := range results {
		fmt.Fprintf(&s, "\n%s; machine load %s; %d rounds, and %d dropped in which a gateway had less than %.0f %% of its core.\n\n",
			r.Scenario, r.Load, len(r.Rounds), r.Dropped, 100*o.utilisation)
		s.WriteString("| gateway | CPU µs | added µs | added % | requests/s | p50 / p99 / p99.9 µs | allocations, bytes | GC share | heap MB | of its core |\n")
		s.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
		for _, name := range r.Gateways {
			added, share := "", ""
			if name != base {
				added, share = spread(r.added(name)), spread(r.share(name))
			}
			fmt.Fprintf(&s, "| %s | %.1f | %s | %s | %.0f | %s | %.0f, %.0f | %.0f %% | %.0f | %.0f %% |\n", name,
				r.of(name, func(s slice) float64 { return s.CPU }), added, share, r.of(name, func(s slice) float64 { return s.Throughput }),
				r.quantiles(o, name),
				r.of(name, func(s slice) float64 { return s.Allocations }), r.of(name, func(s slice) float64 { return s.Bytes }),
				r.of(name, func(s slice) float64 { return 100 * s.GCShare }), r.of(name, func(s slice) float64 { return float64(s.Heap) / 1e6 }),
				r.of(name, func(s slice) float64 { return 100 * s.Utilisation }))
		}
		for _, name := range r.Gateways {
			if writing, ok := r.Writing[name]; ok {
				fmt.Fprintf(&s, "\n%s: %.0f/s acknowledged, of all calls %d failed; one costs %.0f µs of CPU by itself. Without that a request costs %s µs more.\n", name,
					r.of(name, func(s slice) float64 { return s.Acknowledged }), r.Failed, writing, spread(r.deciding(name)))
			}
		}
	}
	return s.String()
}

// quantiles writes the latencies of a gateway, if some were taken.
func (r result) quantiles(o options, name string) string {
	if o.rate == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f / %.0f / %.0f", r.of(name, func(s slice) float64 { return s.P50 }),
		r.of(name, func(s slice) float64 { return s.P99 }), r.of(name, func(s slice) float64 { return s.P999 }))
}

func spread(s rig.Summary) string {
	return fmt.Sprintf("%.1f (%.1f to %.1f)", s.Median, s.Lower, s.Upper)
}

// report prints the table, and writes the files if a directory was named.
func report(o options, m rig.Machine, results []result) error {
	var bars []rig.Bar
	for _, r := range results {
		for _, name := range r.Gateways[1:] {
			bars = append(bars, rig.Bar{Label: name + ": " + r.Scenario.String(), Summary: r.added(name)})
		}
	}
	return rig.Report{
		Name: "overhead", Text: table(o, m, results), Plot: rig.Bars("CPU time that a gateway adds to a proxied request", "µs", bars),
		Data: map[string]any{"machine": m, "results": results},
	}.Publish(o.out)
}
