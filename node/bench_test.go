package node_test

import (
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// BenchmarkStateAt is what every decision pays.
func BenchmarkStateAt(b *testing.B) {
	for name, shared := range map[string]bool{"local": false, "shared": true} {
		b.Run(name, func(b *testing.B) {
			n := node.New(node.Config{})
			if shared {
				n.Prove(time.Now())
			}
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if n.StateAt(now) == node.Fenced {
					b.Fatal("fenced")
				}
			}
		})
	}
}

// BenchmarkApplied is what the goroutine that follows pays for an entry that
// another node wrote, in a fleet of fifty.
func BenchmarkApplied(b *testing.B) {
	n := node.New(node.Config{Name: "a", Instance: "1"})
	n.Prove(time.Now())
	f, stop := n.FollowerOf(50)
	defer stop()
	records := []revocation.Record{cutOf("alice")}
	b.ReportAllocs()
	sequence := uint64(1)
	for b.Loop() {
		sequence++
		f.Applied(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: sequence}, Records: records}, "b/1")
	}
}

// BenchmarkCutOfMany is how long an entry that ends ten thousand live requests
// keeps the following goroutine, and until they all are being ended.
func BenchmarkCutOfMany(b *testing.B) {
	const many = 10_000
	for b.Loop() {
		b.StopTimer()
		requests := new(live.Registry)
		n := node.New(node.Config{Name: "a", Instance: "1", Live: requests})
		n.Prove(time.Now())
		f, stop := n.FollowerOf(2)
		began := make(chan struct{}, many)
		var served sync.WaitGroup
		for range many {
			c := &revocation.Credential{Issuer: issuer, Subject: "alice", IssuedAt: 1, AuthTime: 1}
			c.Seal()
			served.Go(func() {
				_ = requests.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil),
					live.Terms{Credential: c, Judge: whileReady{n, "alice"}}, untilCut{began})
			})
		}
		for range many {
			<-began
		}
		b.StartTimer()
		start := time.Now()
		at := revocation.Position{Epoch: 1, Sequence: 2}
		f.Applied(revocation.Entry{Position: at, Records: []revocation.Record{cutOf("alice")}}, "b/1")
		b.ReportMetric(float64(time.Since(start).Nanoseconds()), "ns/applied")
		f.Applied(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: 3}, Records: []revocation.Record{cutOf("bob " + strconv.Itoa(many))}}, "b/1")
		b.ReportMetric(float64(time.Since(start).Nanoseconds()), "ns/next-applied")
		for n.EnforcedThrough().Compare(at) < 0 {
			time.Sleep(100 * time.Microsecond)
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds()), "ns/all-cut")
		b.StopTimer()
		stop()
		served.Wait()
		b.StartTimer()
	}
}

var _ ledger.Shared = (*end)(nil)
