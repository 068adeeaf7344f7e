package local_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

func benchRecord(n int) revocation.Record {
	return revocation.Record{
		Type:      revocation.Cut,
		Target:    revocation.Target{Issuer: "https://login.example.com", Subject: fmt.Sprintf("user-%08x", n)},
		Mode:      revocation.SignIn,
		At:        1_760_000_000_123,
		Through:   1_760_000_002,
		Keep:      90 * 24 * 3600,
		Source:    "admin",
		Actor:     "helpdesk",
		Reason:    "lost phone",
		Remote:    "192.0.2.7:41234",
		RequestID: fmt.Sprintf("req-%016x", n),
		Time:      1_760_000_000_456,
	}
}

func benchOpen(b *testing.B, dir string) *local.Ledger {
	b.Helper()
	l, err := local.Open(local.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// benchAppend appends from several callers. Each waits for its answer. It reports
// the 99th percentile of the waits.
func benchAppend(b *testing.B, callers int, keyed bool) {
	l := benchOpen(b, b.TempDir())
	defer l.Close()
	var (
		wg    sync.WaitGroup
		next  atomic.Int64
		mu    sync.Mutex
		waits = make([]time.Duration, 0, b.N)
	)
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			var own []time.Duration
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				var key ledger.Idempotency
				if keyed {
					copy(key.Key[:], fmt.Sprintf("%x-%d", n*2654435761, n))
					key.Expires = time.Now().Add(time.Hour)
				}
				start := time.Now()
				if _, _, err := l.Append(b.Context(), []revocation.Record{benchRecord(int(n))}, key); err != nil {
					b.Error(err)
					return
				}
				own = append(own, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, own...)
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(waits)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "p99-ms")
}

func BenchmarkAppendLone(b *testing.B)     { benchAppend(b, 1, false) }
func BenchmarkAppend256(b *testing.B)      { benchAppend(b, 256, false) }
func BenchmarkAppend256Keyed(b *testing.B) { benchAppend(b, 256, true) }

// BenchmarkOpenRead1M measures a restart with a million entries of one record: open,
// verify, decode.
func BenchmarkOpenRead1M(b *testing.B) {
	if testing.Short() {
		b.Skip("needs a million appends first")
	}
	const entries = 1_000_000
	dir := b.TempDir()
	l := benchOpen(b, dir)
	var (
		wg   sync.WaitGroup
		next atomic.Int64
	)
	for range 1024 {
		wg.Go(func() {
			for n := next.Add(1); n < entries; n = next.Add(1) {
				if _, _, err := l.Append(b.Context(), []revocation.Record{benchRecord(int(n))}, ledger.Idempotency{}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	l.Close()
	b.ResetTimer()
	var opening time.Duration
	for b.Loop() {
		start, count := time.Now(), 0
		l := benchOpen(b, dir)
		opening += time.Since(start)
		err := l.Read(b.Context(), revocation.Position{}, func(e revocation.Entry) error {
			count += len(e.Records)
			return nil
		})
		if err != nil || count != entries {
			b.Fatalf("read %d: %v", count, err)
		}
		b.StopTimer()
		l.Close()
		b.StartTimer()
	}
	b.ReportMetric(opening.Seconds()*1000/float64(b.N), "open-ms")
}
