// Command append measures how many revocations a node can make durable, and how
// long each takes. It uses a local ledger and the ledger of a cluster, with one
// caller and with many, and single sign-outs during an import.
//
//	go run ./benchmarks/append            both ledgers, about 2 minutes
//	go run ./benchmarks/append -smoke     a few seconds: does it all still work?
//
// It measures Submit: when Submit answers, the records are durable and the node
// enforces them. The table goes to stdout. With -out, append.md and append.json
// go into that directory. It must never gate a build by a time.
//
// Read run.go first, then load.go, nodes.go and report.go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

// options are the flags.
type options struct {
	smoke    bool
	callers  int
	nodes    int
	servers  int
	chunk    int
	imports  int
	rate     float64
	length   time.Duration
	server   string
	dir      string
	out      string
	profiles string
}

func main() {
	var o options
	flag.BoolVar(&o.smoke, "smoke", false, "half a second of everything")
	flag.IntVar(&o.callers, "callers", 256, "callers of the crowd, each of which waits for its answer")
	flag.IntVar(&o.nodes, "nodes", 3, "nodes of the cluster that the crowd is spread over, after one alone was measured")
	flag.IntVar(&o.servers, "servers", 3, "NATS servers, each with a replica of the stream")
	flag.IntVar(&o.chunk, "chunk", 1000, "records that an import writes at once")
	flag.IntVar(&o.imports, "imports", 2, "imports that flood at once")
	flag.Float64Var(&o.rate, "rate", 100, "single sign-outs per second beside the flood")
	seconds := flag.Float64("seconds", 10, "length of each measurement")
	flag.StringVar(&o.server, "nats-server", "", "a nats-server; empty: build the one that go.mod names")
	flag.StringVar(&o.dir, "dir", "", "directory for everything that is written; empty: a temporary one")
	flag.StringVar(&o.out, "out", "", "directory for the results; empty: only stdout")
	flag.StringVar(&o.profiles, "profiles", "", "directory for a CPU profile of each measurement; empty: none")
	flag.Parse()
	o.length = time.Duration(*seconds * float64(time.Second))
	if o.smoke {
		o.length = 500 * time.Millisecond
	}
	err := o.check()
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "append:", err)
		os.Exit(1)
	}
}

func (o *options) check() error {
	if o.callers < 1 || o.nodes < 1 || o.servers < 1 || o.chunk < 1 || o.imports < 1 || o.rate <= 0 || o.length <= 0 {
		return errors.New("want numbers above 0")
	}
	return nil
}
