package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

// bad lists tokens that are refused, by the last check that each passes. Most
// kinds are one token that is sent again and again, as by a client that does
// not give up.
func bad(good, expired string) map[string][]string {
	parts := strings.Split(good, ".")
	forgeries := forged(parts)
	return map[string][]string{
		"no token at all":            {strings.Repeat("x", rig.TokenLength)},
		"unreadable claims":          {parts[0] + "." + strings.Repeat("x", len(parts[1])) + "." + parts[2]},
		"unknown kid":                {rig.WithKeyID(good, "unheard-of")},
		"expired":                    {expired},
		"wrong signature":            forgeries[:1],
		"wrong signature, ever anew": forgeries,
	}
}

// forged returns more tokens with wrong signatures than a gateway remembers. It
// keeps the last byte of each signature, because the lowest bits of that byte
// have no meaning.
func forged(parts []string) []string {
	var tokens []string
	for a := range 60 {
		for b := range a {
			flipped := []byte(parts[2])
			flipped[a], flipped[b] = other(flipped[a]), other(flipped[b])
			tokens = append(tokens, parts[0]+"."+parts[1]+"."+string(flipped))
		}
	}
	return tokens
}

// other returns another letter of base64url.
func other(c byte) byte {
	if c == 'A' {
		return 'B'
	}
	return 'A'
}

// kinds returns the keys of bad, the cheapest first.
var kinds = []string{"no token at all", "unreadable claims", "unknown kid", "expired", "wrong signature", "wrong signature, ever anew"}

// flooded holds the latencies of good requests and the cost of bad ones.
type flooded struct {
	kind          string
	calm, flooded []float64 // p99 of good requests, microseconds
	rate          []float64 // of bad requests, answered per second
	good, each    []float64 // CPU per request: a good one when calm, a bad one
	fetches       int64     // of keys
	during        time.Duration
}

// runFlood compares the latencies of good requests with and without bad tokens
// at the same time, in alternating slices.
func runFlood(o options) error {
	if o.smoke {
		o.badRate = 500
	}
	machine := rig.ThisMachine()
	p, err := newPlace(o)
	if err != nil {
		return err
	}
	defer p.stop()
	ledger := filepath.Join(p.dir, "ledger")
	if err := os.Mkdir(ledger, 0o700); err != nil {
		return fmt.Errorf("making a directory for the ledger: %w", err)
	}
	s := p.settings("guarded")
	s.Identity, s.Ledger = "all", ledger
	g, err := startGateway(o, p.guarded, p.dir, s)
	if err != nil {
		return err
	}
	defer g.Stop()
	tokens, err := p.provider.Tokens(100)
	if err != nil {
		return err
	}
	expired, err := p.provider.Expired("user-expired")
	if err != nil {
		return err
	}
	good := rig.Load{Address: g.App, Connections: 16, Rate: o.rate}
	for _, token := range tokens {
		good.Requests = append(good.Requests, rig.Request(g.App, token))
	}
	fmt.Printf("%s.\n%g good requests/s of 100 tokens (%s), alone and beside %g bad ones a second, %d pairs of slices of %s; gateway and load on all cores.\n\n",
		machine, o.rate, o.algorithm, o.badRate, o.rounds, o.slice)
	fmt.Println("| bad token | answered /s | p99 alone µs | p99 flooded µs | ratio | CPU of a good request µs | of a bad one µs | key fetches | in s |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	for _, kind := range kinds {
		f := flooded{kind: kind}
		if err := p.flood(g, good, bad(tokens[0], expired)[kind], &f); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		f.print()
	}
	return nil
}

// floodConnections is the number of connections for bad requests.
const floodConnections = 64

func (p *place) flood(g *gateway, good rig.Load, tokens []string, f *flooded) error {
	evil := rig.Load{Address: g.App, Connections: floodConnections, Rate: p.badRate}
	for _, token := range tokens {
		evil.Requests = append(evil.Requests, rig.Request(g.App, token))
	}
	began, before := time.Now(), p.provider.Fetches()
	for range p.rounds {
		calm, cpu, err := p.together(g, good, nil)
		if err != nil {
			return err
		}
		perGood := micro(cpu) / float64(calm[0].Answered())
		both, cpu, err := p.together(g, good, &evil)
		if err != nil {
			return err
		}
		if err := both[1].Only(http.StatusUnauthorized); err != nil {
			return err
		}
		spent := micro(cpu) - perGood*float64(both[0].Answered())
		f.calm = append(f.calm, micro(calm[0].Latencies.Quantile(0.99)))
		f.flooded = append(f.flooded, micro(both[0].Latencies.Quantile(0.99)))
		f.rate = append(f.rate, float64(both[1].Answered())/both[1].Elapsed.Seconds())
		f.good = append(f.good, perGood)
		f.each = append(f.each, spent/float64(both[1].Answered()))
	}
	f.fetches, f.during = p.provider.Fetches()-before, time.Since(began)
	return nil
}

// together sends good and bad requests at the same time, for a slice.
func (p *place) together(g *gateway, good rig.Load, evil *rig.Load) ([]*rig.Outcome, time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.slice)
	defer cancel()
	loads := []rig.Load{good}
	if evil != nil {
		loads = append(loads, *evil)
	}
	before, err := g.CPU()
	if err != nil {
		return nil, 0, err
	}
	outcomes, failed := make([]*rig.Outcome, len(loads)), make(chan error, len(loads))
	for i := range loads {
		go func() {
			var err error
			outcomes[i], err = loads[i].Run(ctx)
			failed <- err
		}()
	}
	for range loads {
		if err := <-failed; err != nil {
			return nil, 0, err
		}
	}
	after, err := g.CPU()
	if err != nil {
		return nil, 0, err
	}
	return outcomes, after - before, outcomes[0].Only(http.StatusOK)
}

func (f flooded) print() {
	median := func(v []float64) float64 { return rig.Summarize(v).Median }
	var ratios []float64
	for i := range f.calm {
		ratios = append(ratios, f.flooded[i]/f.calm[i])
	}
	ratio := rig.Summarize(ratios)
	fmt.Printf("| %s | %.0f | %.0f | %.0f | %s | %.0f | %.0f | %d | %.0f |\n", f.kind, median(f.rate), median(f.calm), median(f.flooded),
		fmt.Sprintf("%.1f (%.1f to %.1f)", ratio.Median, ratio.Min, ratio.Max), median(f.good), median(f.each), f.fetches, f.during.Seconds())
}
