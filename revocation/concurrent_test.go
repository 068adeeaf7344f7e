package revocation_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"curfew.dev/curfew/revocation"
)

// What Apply has returned for, every Find that starts later sees, beside a
// writer that keeps growing tables, adding classes, replacing step-ups and
// expiring.
func TestFindBesideApply(t *testing.T) {
	const n = 3000
	var x revocation.Index
	subject := func(i int64) string { return "user-" + strconv.FormatInt(i, 10) }
	var applied atomic.Int64
	var done sync.WaitGroup
	for range 3 {
		done.Go(func() {
			for {
				i := applied.Load()
				if i > 0 {
					c := sealed(revocation.Credential{Issuer: "i", Subject: subject(i), Session: "s" + subject(i), AuthTime: i, IssuedAt: i})
					f := find(&x, c)
					if f.SignIn.Through < i || f.Session.Through < i || !f.Blocked || len(f.StepUps) == 0 {
						t.Errorf("record %d was applied, and %+v found", i, f)
						return
					}
				}
				if i == n {
					return
				}
			}
		})
	}
	for i := int64(1); i <= n; i++ {
		user := revocation.Target{Issuer: "i", Subject: subject(i)}
		keep := int64(0)
		if i%3 == 0 {
			keep = 5
		}
		x.Apply(entry(uint64(i),
			revocation.Record{Type: revocation.Cut, Mode: revocation.SignIn, Target: user, Through: i, Keep: keep},
			revocation.Record{Type: revocation.Cut, Mode: revocation.SignIn, Target: revocation.Target{Issuer: "i", Session: "s" + subject(i)}, Through: i},
			revocation.Record{Type: revocation.Block, Target: user},
			revocation.Record{Type: revocation.StepUp, Target: user, Through: i},
			revocation.Record{Type: revocation.StepUp, Target: revocation.Target{Issuer: "i"}, Through: i},
			revocation.Record{Type: revocation.Lift, Lifts: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: uint64(i)}, Item: 4}},
			revocation.Record{Type: revocation.Cut, Mode: revocation.Refresh, Target: revocation.Target{Issuer: "i" + strconv.FormatInt(i%50, 10)}, Through: i},
		))
		applied.Store(i)
		if i%100 == 0 {
			x.Expire(i + 10)
		}
	}
	done.Wait()
}
