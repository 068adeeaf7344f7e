package micro

import (
	"os"
	"strconv"
	"testing"
)

// sizes are the numbers of index entries to measure with.
func sizes() []int {
	if os.Getenv("CURFEW_LONG") != "" {
		return []int{0, 1_000_000}
	}
	return []int{0, 1000}
}

// BenchmarkGuard is a whole request through Caddy's server, without a network.
// What a guard costs is the difference to "bare".
func BenchmarkGuard(b *testing.B) {
	for _, entries := range sizes() {
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
