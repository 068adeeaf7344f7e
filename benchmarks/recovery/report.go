package main

import (
	"fmt"
	"strings"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

func of(starts []start, figure func(start) float64) rig.Summary {
	var values []float64
	for _, s := range starts {
		values = append(values, figure(s))
	}
	return rig.Summarize(values)
}

func ready(s start) float64 { return s.Ready.Seconds() }

func seconds(s rig.Summary) string { return fmt.Sprintf("%.2f (%.2f to %.2f)", s.Median, s.Min, s.Max) }

// perEntry divides a figure of the median start by the number of entries.
func (r result) perEntry(figure func(start) float64) float64 {
	return of(r.Warm, figure).Median / float64(r.Entries)
}

func table(m rig.Machine, results []result) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s.\nOne sign_in cut to an entry, no two of the same user. Medians; spread in brackets.\n\n", m)
	s.WriteString("| entries | ready s | of it opening s | ready, nothing in the page cache s | CPU ns/entry | heap B/entry | of it index | disk B/entry | peak resident MB | machine load |\n")
	s.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&s, "| %d | %s | %s | %s | %.0f | %.0f | %.0f | %.0f | %.0f | %s |\n", r.Entries,
			seconds(of(r.Warm, ready)), seconds(of(r.Warm, func(s start) float64 { return s.Open.Seconds() })), seconds(of(r.Cold, ready)),
			r.perEntry(func(s start) float64 { return float64(s.CPU / time.Nanosecond) }),
			r.perEntry(func(s start) float64 { return float64(s.Heap) }),
			r.perEntry(func(s start) float64 { return float64(s.Index) }),
			float64(r.Disk)/float64(r.Entries),
			of(r.Warm, func(s start) float64 { return float64(s.Peak) / 1e6 }).Median, r.Load)
	}
	return s.String()
}

// report prints the table and the newcomer's time, and writes the files if a
// directory was named.
func report(o options, m rig.Machine, results []result, newcomer string) error {
	text := table(m, results)
	if newcomer != "" {
		text += "\n" + newcomer
	}
	return rig.Report{Name: "recovery", Text: text, Data: map[string]any{"machine": m, "results": results}}.Publish(o.out)
}
