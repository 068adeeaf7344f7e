package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

// work is a task that every product gets.
type work struct {
	Algorithm string `json:"algorithm"`
	Tokens    int    `json:"tokens"`
}

func (w work) String() string { return fmt.Sprintf("%s, %d tokens", w.Algorithm, w.Tokens) }

var works = []work{{"RS256", 1}, {"ES256", 1}, {"RS256", 1000}}

// place holds the state that all products share.
type place struct {
	options
	dir      string
	binary   string // of Caddy
	upstream string
}

// result holds the figures of one product for one work.
type result struct {
	Product string      `json:"product"`
	Work    work        `json:"work"`
	Skipped string      `json:"skipped,omitempty"` // why
	Bare    rig.Summary `json:"bare_us"`
	Added   rig.Summary `json:"added_us"`
	Load    string      `json:"load_average"`
}

func run(o options) error {
	machine := rig.ThisMachine()
	dir, err := os.MkdirTemp("", "curfew-peers-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	p := &place{options: o, dir: dir}
	if p.binary, err = buildCaddy(o, dir); err != nil {
		return err
	}
	upstream, address, err := rig.StartUpstream(dir, "")
	if err != nil {
		return err
	}
	defer upstream.Stop()
	p.upstream = address
	var results []result
	if o.smoke {
		works = works[:1]
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	products = slices.DeleteFunc(products, func(p product) bool { return !only.MatchString(p.name) })
	for _, w := range works {
		provider, err := rig.NewProvider("127.0.0.1:0", w.Algorithm)
		if err != nil {
			return err
		}
		for _, product := range products {
			r, err := p.measure(product, w, provider)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", product.name, w, err)
			}
			fmt.Fprintf(os.Stderr, "%s, %s: %s\n", product.name, w, r.cell())
			results = append(results, r)
		}
	}
	return report(o, machine, results)
}

func buildCaddy(o options, dir string) (string, error) {
	if o.caddy != "" {
		return filepath.Abs(o.caddy)
	}
	binary := filepath.Join(dir, "caddy")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", binary, "curfew.dev/curfew/cmd/caddy").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building Caddy (run this inside the repository): %w\n%s", err, out)
	}
	return binary, nil
}

// measure starts a product twice and compares the two.
func (p *place) measure(what product, w work, provider *rig.Provider) (result, error) {
	r := result{Product: what.name, Work: w, Load: rig.LoadAverage()}
	if missing := what.missing(); missing != "" {
		r.Skipped = missing + " is not installed"
		return r, nil
	}
	tokens, err := provider.Tokens(w.Tokens)
	if err != nil {
		return r, err
	}
	var sites [2]*site
	for i := range sites {
		s, err := p.site(what, i == 1, w, provider, tokens)
		if s != nil {
			defer s.stop()
		}
		if err != nil {
			return r, err
		}
		sites[i] = s
	}
	var bare, added []float64
	for n := -1; n < p.rounds; n++ {
		var cpu [2]float64
		for i := range sites {
			at := (i + max(n, 0)) % 2
			if cpu[at], err = p.slice(sites[at]); err != nil {
				return r, err
			}
		}
		if n < 0 {
			continue // that was to warm up
		}
		bare, added = append(bare, cpu[0]), append(added, cpu[1]-cpu[0])
	}
	r.Bare, r.Added = rig.Summarize(bare), rig.Summarize(added)
	return r, nil
}

// site starts a product. The caller must stop the processes that it returns,
// even after an error.
func (p *place) site(what product, guarded bool, w work, provider *rig.Provider, tokens []string) (*site, error) {
	address, err := rig.FreeAddress()
	if err != nil {
		return nil, err
	}
	key, err := provider.PublicPEM()
	if err != nil {
		return nil, err
	}
	s := &site{
		name: "site-" + address[len("127.0.0.1:"):], guarded: guarded, Address: address, Upstream: p.upstream, Issuer: provider.URL,
		Audience: rig.Audience, Algorithm: w.Algorithm, Key: filepath.Join(p.dir, w.Algorithm+".pem"), Dir: p.dir,
	}
	if guarded {
		s.Guard = "yes"
	}
	if err := os.WriteFile(s.Key, key, 0o600); err != nil {
		return nil, fmt.Errorf("writing the key: %w", err)
	}
	for _, token := range tokens {
		s.requests = append(s.requests, rig.Request(address, token))
	}
	if err := what.start(p, s); err != nil {
		return s, err
	}
	return s, s.guards()
}

// slice measures the CPU time of a request for all processes together, in
// microseconds.
func (p *place) slice(s *site) (float64, error) {
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.options.slice)
	defer cancel()
	out, err := rig.Load{Address: s.Address, Requests: s.requests, Connections: p.connections}.Run(ctx)
	if err != nil {
		return 0, err
	}
	after, err := s.cpu()
	if err != nil {
		return 0, err
	}
	return float64(after-before) / float64(time.Microsecond) / float64(out.Answered()), out.Only(http.StatusOK)
}

func (s *site) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, p := range s.processes {
		t, err := p.CPU()
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}

func (r result) cell() string {
	if r.Skipped != "" {
		return "skipped: " + r.Skipped
	}
	return fmt.Sprintf("%.0f + %.1f (%.1f to %.1f)", r.Bare.Median, r.Added.Median, r.Added.Min, r.Added.Max)
}

// report prints the table, and writes the files if a directory was named.
func report(o options, m rig.Machine, results []result) error {
	var s strings.Builder
	fmt.Fprintf(&s, "%s.\nCPU of a request without checking + what checking adds, µs, all processes of a product on one core; ", m)
	fmt.Fprintf(&s, "tokens of %d characters, %d pairs of slices of %s, %d connections; medians, spread in brackets.\n\n| product |",
		rig.TokenLength, o.rounds, o.slice, o.connections)
	for _, w := range works {
		fmt.Fprintf(&s, " %s |", w)
	}
	s.WriteString("\n|---|" + strings.Repeat("---|", len(works)) + "\n")
	var bars []rig.Bar
	for _, p := range products {
		fmt.Fprintf(&s, "| %s |", p.name)
		for _, r := range results {
			if r.Product == p.name {
				fmt.Fprintf(&s, " %s |", r.cell())
			}
			if r.Product == p.name && r.Work == works[0] && r.Skipped == "" {
				bars = append(bars, rig.Bar{Label: p.name, Summary: r.Added})
			}
		}
		s.WriteString("\n")
	}
	return rig.Report{
		Name: "peers", Text: s.String(), Plot: rig.Bars("CPU time that checking adds, "+works[0].String(), "µs", bars),
		Data: map[string]any{"machine": m, "results": results},
	}.Publish(o.out)
}
