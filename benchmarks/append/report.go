package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
	text := table(o, m, results)
	fmt.Print(text)
	if o.out == "" {
		return nil
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("making the directory for the results: %w", err)
	}
	data, err := json.MarshalIndent(map[string]any{"machine": m, "seconds": o.length.Seconds(), "results": results}, "", "\t")
	if err != nil {
		return fmt.Errorf("encoding the results: %w", err)
	}
	for name, content := range map[string]string{"append.md": text, "append.json": string(data) + "\n"} {
		if err := os.WriteFile(filepath.Join(o.out, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("writing the results: %w", err)
		}
	}
	return nil
}
