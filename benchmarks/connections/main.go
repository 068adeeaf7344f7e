package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"curfew.dev/curfew/internal/pause"
)

// plan holds the numbers of connections, users and sign-outs.
type plan struct {
	webSockets, events1, events2 int // events over HTTP/1.1 and HTTP/2
	users                        int
	signOuts                     int // of one user each
	guarded                      bool
}

func (p plan) total() int { return p.webSockets + p.events1 + p.events2 }

func main() {
	role := flag.String("role", "", "what a child process is: gateway or upstream")
	scale := flag.Float64("scale", 1, "how much of the full size: 1 is 4,500 WebSockets, 4,500 and 10,000 event streams, 1,000 users")
	guarded := flag.Bool("guard", true, "guard the site; without, only the memory is measured, to compare")
	reportOnly := flag.Bool("report-only", false, "exit 0 whatever the figures are")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	of := func(n int) int { return max(1, int(float64(n)**scale)) }
	p := plan{of(4500), of(4500), of(10_000), of(1000), max(2, of(50)), *guarded}
	var err error
	switch *role {
	case "gateway":
		err = runGateway(ctx)
	case "upstream":
		err = runUpstream(ctx)
	default:
		err = measure(ctx, p, *reportOnly)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, p plan, reportOnly bool) error {
	s, err := setUp(ctx, p)
	if err != nil {
		return err
	}
	defer s.tearDown()
	r := report{plan: p}
	if r.emptyMemory, err = s.gateway.memory(); err != nil {
		return err
	}
	began := time.Now()
	crowd, err := open(ctx, s, p)
	if err != nil {
		return err
	}
	defer crowd.close()
	r.opened = time.Since(began)
	_ = pause.For(ctx, 3*time.Second) // until the garbage of opening is collected
	if r.fullMemory, err = s.gateway.memory(); err != nil {
		return err
	}
	if p.guarded {
		if err := r.cuts(ctx, s, crowd); err != nil {
			return err
		}
	}
	return r.print(os.Stdout, reportOnly)
}

// cuts signs users out, first one by one, then all at once.
func (r *report) cuts(ctx context.Context, s *stage, c *crowd) error {
	quiet := s.probe(ctx)
	_ = pause.For(ctx, 5*time.Second)
	r.quiet = quiet()

	during := s.probe(ctx)
	for user := range r.plan.signOuts {
		took, err := s.signOut(ctx, c, user)
		if err != nil {
			return err
		}
		r.single = append(r.single, took...)
		_ = pause.For(ctx, 100*time.Millisecond)
	}
	r.duringSingle = during()

	during = s.probe(ctx)
	var err error
	if r.all, r.answered, err = s.signAllOut(ctx, c); err != nil {
		return err
	}
	r.duringAll = during()
	return nil
}
