package micro

import (
	"math"
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

// BenchmarkGuard measures a whole request through Caddy's server, without a
// network. The cost of a guard is the difference to "bare".
func BenchmarkGuard(b *testing.B) {
	for _, entries := range sizes()[:2] {
		g := newGateway(b, entries)
		raw := g.token("alice")
		for _, server := range []string{"bare", "guarded", "minimal", "none", "strict", "stacked"} {
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

// allocations returns the smallest of several counts. A run allocates more
// while other goroutines do, such as the one by which the cache adds a token.
func allocations(run func()) float64 {
	fewest := math.Inf(1)
	for range 5 {
		fewest = min(fewest, testing.AllocsPerRun(1000, run))
		time.Sleep(10 * time.Millisecond)
	}
	return fewest
}

// TestGuardAllocations fixes the number of allocations. docs/performance.md
// explains the remaining ones.
func TestGuardAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	g := newGateway(t, 1000)
	raw := g.token("alice")
	count := func(server string) float64 {
		v := g.visitor(server, raw)
		return allocations(func() {
			if err := v.visit(); err != nil {
				t.Error(err)
			}
		})
	}
	bare := count("bare")
	for server, most := range map[string]float64{"guarded": 9, "minimal": 4, "none": 4, "strict": 9, "stacked": 12} {
		if added := count(server) - bare; added > most {
			t.Errorf("%s: %v allocations more than Caddy's own %v, want at most %v", server, added, bare, most)
		}
	}
}
