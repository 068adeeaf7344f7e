package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

// signedOut holds the figures of callers of the admin API, each of which signs
// out one user after the other.
type signedOut struct {
	callers  int
	cpu      []float64 // of one call, microseconds
	rate     []float64 // calls a second
	p50, p99 []float64 // microseconds
	load     string
}

// runSignOuts measures what a sign-out by the admin API costs: one caller alone,
// and 16 that share commits. The gateway has one core.
func runSignOuts(o options) error {
	machine := rig.ThisMachine()
	p, err := newPlace(o)
	if err != nil {
		return err
	}
	defer p.stop()
	s := p.settings("guarded")
	for i := range 4 { // each may write 1,000 times a second
		s.Secrets = append(s.Secrets, fmt.Sprint(secret, i))
	}
	s.Identity, s.Ledger = "minimal", filepath.Join(p.dir, "ledger")
	if err := os.Mkdir(s.Ledger, 0o700); err != nil {
		return fmt.Errorf("making a directory for the ledger: %w", err)
	}
	g, err := startGateway(o, p.guarded, p.dir, s)
	if err != nil {
		return err
	}
	defer g.Stop()
	all := []*signedOut{{callers: 1}, {callers: 16}}
	for round := -1; round < o.rounds; round++ {
		for _, of := range all {
			of.load = rig.LoadAverage()
			if err := p.signOut(g, of, round >= 0); err != nil {
				return err
			}
		}
	}
	if o.profiles != "" {
		for _, of := range all {
			if err := p.profileSignOuts(g, *of); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%s.\nPOST /v1/revocations of one user, a local ledger, %d slices of %s each, the gateway on one core, GOGC=%s. Medians; quartiles in brackets.\n\n",
		machine, o.rounds, o.slice, o.gogc)
	fmt.Println("| callers | CPU of a call µs | calls/s | p50 µs | p99 µs | machine load |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, of := range all {
		fmt.Printf("| %d | %s | %.0f | %.0f | %s | %s |\n", of.callers, spread(rig.Summarize(of.cpu)), rig.Summarize(of.rate).Median,
			rig.Summarize(of.p50).Median, spread(rig.Summarize(of.p99)), of.load)
	}
	return nil
}

// profileSignOuts saves a CPU profile of the gateway while it is called.
func (p *place) profileSignOuts(g *gateway, of signedOut) error {
	if err := os.MkdirAll(p.profiles, 0o755); err != nil {
		return fmt.Errorf("making the directory for profiles: %w", err)
	}
	taken := make(chan error, 1)
	go func() { taken <- p.save(g, fmt.Sprint("sign-outs-", of.callers)) }()
	long := *p
	long.slice = profiled + time.Second
	if err := long.signOut(g, &of, false); err != nil {
		return err
	}
	return <-taken
}

// signOut has the callers call for a slice.
func (p *place) signOut(g *gateway, of *signedOut, counts bool) error {
	revokers := make([]*revoker, of.callers)
	for i := range revokers {
		revokers[i] = newRevoker(g, "single", 0)
		revokers[i].next.Store(p.signedOut.Add(1 << 20)) // users of its own
		revokers[i].client.Secret = func() (string, error) { return g.Secrets[i%len(g.Secrets)], nil }
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.slice)
	defer cancel()
	before, err := g.CPU()
	if err != nil {
		return err
	}
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		waits  rig.Latencies
		calls  atomic.Int64
		failed error
	)
	began := time.Now()
	for _, r := range revokers {
		wg.Go(func() {
			var own rig.Latencies
			for first := true; first || ctx.Err() == nil; first = false {
				sent := time.Now()
				if err := r.revoke(); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				own.Note(time.Since(sent))
				calls.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			waits.Add(&own)
		})
	}
	wg.Wait()
	took := time.Since(began)
	after, err := g.CPU()
	if err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("signing out: %w", failed)
	}
	if counts {
		n := float64(calls.Load())
		of.cpu, of.rate = append(of.cpu, micro(after-before)/n), append(of.rate, n/took.Seconds())
		of.p50, of.p99 = append(of.p50, micro(waits.Quantile(0.5))), append(of.p99, micro(waits.Quantile(0.99)))
	}
	return nil
}
