package micro

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// sizes are the numbers of index entries to measure with.
func sizes() []int {
	if os.Getenv("CURFEW_LONG") != "" {
		return []int{0, 1_000_000, 10_000_000}
	}
	return []int{0, 1000}
}

// tokenCounts are the numbers of distinct tokens to measure with.
func tokenCounts() []int {
	if os.Getenv("CURFEW_LONG") != "" {
		return []int{1000, 100_000, 1_000_000}
	}
	return []int{1000}
}

// BenchmarkGuard is a whole request through Caddy's server, without a network.
// What a guard costs is the difference to "bare".
func BenchmarkGuard(b *testing.B) {
	for _, entries := range sizes()[:2] {
		g := newGateway(b, entries)
		raw := g.token("alice")
		for _, server := range []string{"bare", "guarded", "strict", "stacked"} {
			if server == "bare" && entries > 0 {
				continue
			}
			b.Run(server+"/entries="+strconv.Itoa(entries), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					v := g.visitor(server, raw)
					for pb.Next() {
						if err := v.visit(); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}

// TestGuardAllocations holds what was won: docs/performance.md says what the
// remaining ones are.
func TestGuardAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	g := newGateway(t, 1000)
	raw := g.token("alice")
	count := func(server string) float64 {
		v := g.visitor(server, raw)
		if err := v.visit(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // the cache takes tokens in behind our back
		return testing.AllocsPerRun(2000, func() {
			if err := v.visit(); err != nil {
				t.Error(err)
			}
		})
	}
	bare := count("bare")
	for server, most := range map[string]float64{"guarded": 9, "strict": 9, "stacked": 14} {
		if added := count(server) - bare; added > most {
			t.Errorf("%s: %v allocations more than Caddy's own %v, want at most %v", server, added, bare, most)
		}
	}
}
