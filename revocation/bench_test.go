package revocation_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"curfew.dev/curfew/revocation"
)

const issuer = "https://login.example.com"

// filled is an index of n sign_in cuts of users, in entries of a thousand.
func filled(n int) *revocation.Index {
	var x revocation.Index
	for at := 0; at < n; at += 1000 {
		records := make([]revocation.Record, min(1000, n-at))
		for i := range records {
			records[i] = revocation.Record{
				Type: revocation.Cut, Mode: revocation.SignIn, Through: int64(1000 + at), Keep: 7_776_000,
				Target: revocation.Target{Issuer: issuer, Subject: "user-" + strconv.Itoa(at+i)},
			}
		}
		x.Apply(entry(uint64(at/1000+1), records...))
	}
	return &x
}

// variety adds one cut of every kind and mode, of somebody else.
func variety(x *revocation.Index) {
	whole := revocation.Target{
		Issuer: issuer, Subject: "else", Client: "else", Session: "else", Device: "else", Tenant: "else",
		TokenID: "else", SignedBy: "else", JKT: "else", X5TS256: "else",
	}
	n := uint64(1 << 40)
	for _, kind := range revocation.Kinds() {
		if kind == revocation.KindIssuer {
			continue
		}
		for mode := revocation.SignIn; mode <= revocation.Final; mode++ {
			n++
			x.Apply(entry(n, revocation.Record{Type: revocation.Cut, Mode: mode, Through: 10, Target: revocation.Part(whole, kind)}))
		}
	}
}

func typical(subject string) *revocation.Credential {
	return sealed(revocation.Credential{
		Issuer: issuer, Subject: subject, Client: "web", Session: "5f0c", Device: "d1", Tenant: "t1",
		TokenID: "0190-3", KeyID: "2026-11", IssuedAt: 2_000_000_000, AuthTime: 2_000_000_000, ExpiresAt: 2_000_003_600,
	})
}

func sizes() []int {
	if os.Getenv("CURFEW_LONG") != "" {
		return []int{0, 1000, 1_000_000, 10_000_000}
	}
	return []int{0, 1000, 1_000_000}
}

func BenchmarkFind(b *testing.B) {
	// Ask for many different users, so that the processor's caches can't help.
	callers := make([]*revocation.Credential, 4096)
	for i := range callers {
		callers[i] = typical("clear-" + strconv.Itoa(i))
	}
	for _, n := range sizes() {
		for _, all := range []bool{false, true} {
			x := filled(n)
			kinds := "users"
			if all {
				variety(x)
				kinds = "all_kinds"
			}
			b.Run(fmt.Sprintf("entries=%d/%s", n, kinds), func(b *testing.B) {
				b.ReportAllocs()
				var f revocation.Finding
				i := 0
				for b.Loop() {
					if x.Find(callers[i&4095], &f); !f.Clear() {
						b.Fatalf("found %+v", f)
					}
					i++
				}
			})
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, n := range sizes()[1:] {
		b.Run("entries="+strconv.Itoa(n), func(b *testing.B) {
			x := filled(n)
			r := []revocation.Record{{Type: revocation.Cut, Mode: revocation.SignIn, Through: 10, Keep: 7_776_000}}
			sequence := uint64(1 << 40)
			b.ReportAllocs()
			for b.Loop() {
				sequence++
				r[0].Target = revocation.Target{Issuer: issuer, Subject: strconv.FormatUint(sequence, 10)}
				x.Apply(entry(sequence, r...))
			}
		})
	}
}

func BenchmarkExpireNothing(b *testing.B) {
	x := filled(1_000_000)
	for b.Loop() {
		x.Expire(0)
	}
}

func BenchmarkExpireHalf(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		x := filled(1_000_000)
		b.StartTimer()
		if n := x.Expire(1000 + 500_000 + 7_776_000); n == 0 {
			b.Fatal("nothing expired")
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	c := typical("alice")
	b.ReportAllocs()
	for b.Loop() {
		c.Seal()
	}
}

// BenchmarkMemory reports what an entry takes, by the heap and by Bytes.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		x := filled(n)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "heap-B/entry")
		b.ReportMetric(float64(x.Bytes())/n, "B/entry")
		runtime.KeepAlive(x)
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	x := filled(1000)
	variety(x)
	x.Apply(entry(1<<50,
		revocation.Record{Type: revocation.StepUp, Target: revocation.Target{Issuer: issuer, Subject: "stepped"}, Through: 5},
		revocation.Record{Type: revocation.Block, Target: revocation.Target{Issuer: issuer, Subject: "blocked"}},
	))
	for _, subject := range []string{"clear", "user-7", "stepped", "blocked"} {
		c := typical(subject)
		var f revocation.Finding
		if n := testing.AllocsPerRun(100, func() { x.Find(c, &f) }); n != 0 {
			t.Errorf("%s: %v allocations", subject, n)
		}
		if f.Clear() != (subject == "clear") {
			t.Errorf("%s: found %+v", subject, f)
		}
	}
}
