// Command soak keeps one gateway busy for as long as you like, and looks for what
// grows: requests at a fixed rate, sign-outs, reloads and restarts, some of them by
// kill -9. Every sign-out is asked for again until the end: who was signed out must
// be refused. It fails on an answer that no event explains.
//
//	go run ./benchmarks/soak -for 1h -out DIR
//	go run ./benchmarks/soak -smoke           20 s
//
// The table goes to stdout. With -out, soak.md, soak.json and a plot of each
// figure go into that directory. It must never use the internals of the gateway.
//
// Read main.go first, then gateway.go, people.go and plot.go.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	length, sample, reload, restart time.Duration
	rate, signOuts                  float64
	out                             string
}

// users is how many people send requests.
const users = 2000

func main() {
	var o options
	smoke := flag.Bool("smoke", false, "20 s, to see that it works")
	flag.DurationVar(&o.length, "for", time.Hour, "how long")
	flag.DurationVar(&o.sample, "sample", 10*time.Second, "time between two samples")
	flag.DurationVar(&o.reload, "reload", 30*time.Second, "time between two reloads")
	flag.DurationVar(&o.restart, "restart", 5*time.Minute, "time between two restarts; every second one is a kill -9")
	flag.Float64Var(&o.rate, "rate", 500, "requests a second")
	flag.Float64Var(&o.signOuts, "sign-outs", 20, "sign-outs of single sessions a second")
	flag.StringVar(&o.out, "out", "", "directory for the report")
	flag.Parse()
	if *smoke {
		o.length, o.sample, o.reload, o.restart = 20*time.Second, time.Second, 3*time.Second, 7*time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "curfew-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	g, err := newGateway(dir)
	if err != nil {
		return err
	}
	defer func() { g.process.Stop() }()
	p, err := newPeople(g)
	if err != nil {
		return err
	}
	samples, err := soak(ctx, o, g, p)
	if err != nil {
		return err
	}
	if err := p.verdict(); err != nil {
		return err
	}
	text := report(o, samples, p)
	data, err := json.MarshalIndent(samples, "", " ")
	if err != nil {
		return err
	}
	files := plots(samples)
	files["soak.md"], files["soak.json"] = text, string(data)
	fmt.Print(text)
	if o.out == "" {
		return nil
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(o.out+"/"+name, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// soak loads the gateway and disturbs it until the time is over.
func soak(ctx context.Context, o options, g *gateway, p *people) (samples []sample, err error) {
	loaded, stop := context.WithTimeout(ctx, o.length)
	defer stop()
	busy := p.begin(loaded, o)
	began := time.Now()
	sampled, reloaded, restarted := time.NewTicker(o.sample), time.NewTicker(o.reload), time.NewTicker(o.restart)
	defer sampled.Stop()
	defer reloaded.Stop()
	defer restarted.Stop()
	for n := 0; ; {
		select {
		case <-loaded.Done():
			busy.Wait()
			return samples, p.checkAll(context.WithoutCancel(ctx))
		case <-sampled.C:
			s, err := g.sample(p.latencies())
			if err != nil {
				return nil, err
			}
			s.After = time.Since(began).Round(time.Second)
			samples = append(samples, s)
		case <-reloaded.C:
			if err := g.reload(); err != nil {
				return nil, err
			}
			p.reloads.Add(1)
		case <-restarted.C:
			n++
			p.down.Store(true)
			if err := g.restart(n%2 == 0); err != nil {
				return nil, err
			}
			p.mu.Lock()
			p.changed = time.Now()
			p.mu.Unlock()
			p.down.Store(false)
			p.restarts.Add(1)
		}
	}
}

func report(o options, samples []sample, p *people) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Soak of %s\n\n%d requests, %d sign-outs, %d reloads, %d restarts; %d answers or broken connections while the gateway was down.\n\n",
		o.length, p.answered.Load(), p.signedOut.Load(), p.reloads.Load(), p.restarts.Load(), p.explained.Load())
	b.WriteString("| after | heap | goroutines | descriptors | ledger | p99 |\n| --- | --- | --- | --- | --- | --- |\n")
	step := max(1, len(samples)/20)
	for i := 0; i < len(samples); i += step {
		s := samples[i]
		fmt.Fprintf(&b, "| %s | %.1f MB | %.0f | %.0f | %.1f MB | %s |\n", s.After, s.Heap/1e6, s.Goroutines, s.Descriptors, s.Ledger/1e6,
			s.P99.Round(10*time.Microsecond))
	}
	return b.String()
}
