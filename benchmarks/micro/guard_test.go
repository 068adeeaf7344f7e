package micro

import (
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
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

// BenchmarkGuardDPoP measures a request with a DPoP proof. A proof is good once, so
// each request has its own. Hot: the token is cached. Cold: the token is new too.
func BenchmarkGuardDPoP(b *testing.B) {
	g := newGateway(b, 0)
	key := tokentest.NewKey(b, "", "ES256")
	made := 0
	bound := func(subject string) string {
		return g.token(subject, tokentest.Claims{"cnf": map[string]any{"jkt": key.Thumbprint(b)}})
	}
	request := func(raw string) *visitor {
		made++
		v := g.visitor("guarded", raw)
		v.header.Set("Authorization", "DPoP "+raw)
		v.header.Set("Dpop", key.Proof(b, tokentest.ProofClaims("jti-"+strconv.Itoa(made), "GET", "http://"+v.r.Host+"/orders/17", raw, time.Now()), nil))
		return v
	}
	alice := bound("alice")
	for name, token := range map[string]func() string{
		"hot":  func() string { return alice },
		"cold": func() string { return bound("subject-" + strconv.Itoa(made)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for done := 0; done < b.N; {
				b.StopTimer() // the client's work
				batch := make([]*visitor, min(b.N-done, 500))
				for i := range batch {
					batch[i] = request(token())
				}
				b.StartTimer()
				for _, v := range batch {
					if err := v.visit(); err != nil {
						b.Fatal(err)
					}
				}
				done += len(batch)
			}
		})
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
