package main

import (
	"fmt"
	"strings"

	"curfew.dev/curfew/benchmarks/rig"
)

func (q quantiles) String() string { return fmt.Sprintf("%.1f / %.1f / %.1f", q.P50, q.P99, q.Max) }

func table(o options, m rig.Machine, results []result) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s.\n%d nodes in one process, %d of which write; %d NATS servers, each a process, `sync_interval: always`, a replica on each.\n",
		m, o.nodes, o.writers, o.servers)
	fmt.Fprintf(&s, "Poisson arrivals for %s at each rate. Milliseconds since a revocation was due: p50 / p99 / max.\n\n", o.length)
	s.WriteString("| revocations/s | sent, failed | Submit answered | refused on each node | refused on all nodes | live request on another node over | receipt complete | cores busy: nodes, servers | machine load |\n")
	s.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&s, "| %g | %d, %d | %s | %s | %s | %s | %s | %.2f, %.2f | %s |\n",
			r.Rate, r.Sent, r.Failed, r.Submit, r.Each, r.Everywhere, r.Ended, r.Receipt, r.NodeCores, r.ServerCores, r.Load)
	}
	for _, r := range results {
		if r.Failed > 0 {
			fmt.Fprintf(&s, "\nAt %g/s the first that failed: %s.\n", r.Rate, r.Failure)
		}
	}
	return s.String()
}

// report prints the table, and writes the files if a directory was named.
func report(o options, m rig.Machine, results []result) error {
	return rig.Report{Name: "propagation", Text: table(o, m, results), Data: map[string]any{
		"machine": m, "nodes": o.nodes, "writers": o.writers, "servers": o.servers, "seconds": o.length.Seconds(), "results": results,
	}}.Publish(o.out)
}
