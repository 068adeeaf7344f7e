// Command propagation measures the time until a revocation is in force on every
// node. It starts three NATS servers as processes of their own and a fleet of
// nodes. The servers sync before they acknowledge, and hold a stream of three
// replicas. One node gets the revocations, at given rates.
//
//	go run ./benchmarks/propagation            32 nodes at 1, 100 and 1,000 revocations/s, about 2 minutes
//	go run ./benchmarks/propagation -smoke     a few seconds: does it all still work?
//
// The table goes to stdout. With -out, propagation.md and propagation.json go
// into that directory. It must never gate a build by a time: it fails only if a
// revocation was not enforced.
//
// Read run.go and round.go first, then fleet.go, session.go, watch.go and report.go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	smoke    bool
	nodes    int
	writers  int
	servers  int
	rates    []float64
	length   time.Duration
	server   string
	dir      string
	replicas string
	out      string
	profiles string
}

func main() {
	var o options
	flag.BoolVar(&o.smoke, "smoke", false, "few nodes and a second or two")
	flag.IntVar(&o.nodes, "nodes", 32, "nodes of the fleet")
	flag.IntVar(&o.writers, "writers", 1, "how many of them take revocations")
	flag.IntVar(&o.servers, "servers", 3, "NATS servers, each with a replica of the stream")
	rates := flag.String("rates", "1,100,1000", "revocations per second, separated by commas")
	seconds := flag.Float64("seconds", 30, "length of each rate")
	flag.StringVar(&o.server, "nats-server", "", "a nats-server; empty: build the one that go.mod names")
	flag.StringVar(&o.dir, "dir", "", "directory for everything that is written; empty: a temporary one")
	flag.StringVar(&o.replicas, "replicas", "", "directory for the replicas of the nodes, which on real machines have disks of their own; empty: below -dir")
	flag.StringVar(&o.out, "out", "", "directory for the results; empty: only stdout")
	flag.StringVar(&o.profiles, "profiles", "", "directory for a CPU profile of the nodes at each rate; empty: none")
	flag.Parse()
	o.length = time.Duration(*seconds * float64(time.Second))
	err := o.readRates(*rates)
	if o.smoke {
		o.nodes, o.rates, o.length = 4, []float64{20, 200}, time.Second
	}
	if err == nil {
		err = o.check()
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "propagation:", err)
		os.Exit(1)
	}
}

func (o *options) readRates(list string) error {
	for field := range strings.SplitSeq(list, ",") {
		rate, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil || rate <= 0 {
			return fmt.Errorf("-rates %q: want numbers above 0", list)
		}
		o.rates = append(o.rates, rate)
	}
	return nil
}

func (o *options) check() error {
	if o.nodes < 2 || o.servers < 1 || o.writers < 1 || o.writers > o.nodes || o.length <= 0 {
		return errors.New("want two nodes or more, no more writers than nodes, a server and some time")
	}
	return nil
}
