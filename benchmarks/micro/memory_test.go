package micro

import (
	"runtime"
	"strconv"
	"testing"
)

// BenchmarkTokenMemory reports the heap memory of a cached token of about 1,000
// characters: the verified token, and the guard's notes about it and its
// account.
func BenchmarkTokenMemory(b *testing.B) {
	const n = 5000
	b.Run("verified", func(b *testing.B) {
		d := newDesk(b, 0, 0)
		g := &gateway{issuer: d.issuer, now: d.now}
		raws := tokensOf(g, n)
		for b.Loop() {
			before := heap()
			for _, raw := range raws {
				if _, _, err := d.verifier.Verify(b.Context(), raw, d.now); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(heap()-before)/n, "B/token")
		}
	})
	b.Run("guarded", func(b *testing.B) {
		g := newGateway(b, 0)
		raws := tokensOf(g, n)
		for b.Loop() {
			before := heap()
			for range 2 { // the second time from the cache
				for _, raw := range raws {
					if err := g.visitor("guarded", raw).visit(); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(heap()-before)/n, "B/token")
		}
	})
}

func tokensOf(g *gateway, n int) []string {
	raws := make([]string, n)
	for i := range raws {
		raws[i] = g.token("user-" + strconv.Itoa(i))
	}
	return raws
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
