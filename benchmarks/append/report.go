package main

import (
	"fmt"
	"strings"

	"curfew.dev/curfew/benchmarks/rig"
)

func table(o options, m rig.Machine, results []result) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s.\nOne sign_in cut to an append, %s each; %d NATS servers, each a process, `sync_interval: always`, a replica on each.\n\n",
		m, o.length, o.servers)
	s.WriteString("| ledger | who writes | acknowledged /s | p50 / p99 / max ms | imported beside, records/s | failed | machine load |\n")
	s.WriteString("|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&s, "| %s | %s | %.0f | %.1f / %.1f / %.1f | %.0f | %d | %s |\n",
			r.Ledger, r.Scenario, r.Rate, r.P50, r.P99, r.Max, r.Flood, r.Failed, r.Load)
	}
	for _, r := range results {
		if r.Failed > 0 {
			fmt.Fprintf(&s, "\n%s, %s: the first that failed: %s.\n", r.Ledger, r.Scenario, r.Failure)
		}
	}
	return s.String()
}

// report prints the table, and writes the files if a directory was named.
func report(o options, m rig.Machine, results []result) error {
	data := map[string]any{"machine": m, "seconds": o.length.Seconds(), "results": results}
	return rig.Report{Name: "append", Text: table(o, m, results), Data: data}.Publish(o.out)
}
