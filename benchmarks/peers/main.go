// Command peers compares curfew with products that an operator would use
// instead. Each product serves the same upstream under the same load, with and
// without its check of tokens, in alternating slices. The result is the CPU
// time that the check adds to a request, for all processes of a product
// together.
//
//	go run ./benchmarks/peers
//
// The products come from the machine (Debian: haproxy, nginx-light,
// redis-server). A product that is not installed is skipped, and the table says
// so. The command connects to loopback only. Its result must never be read as a
// comparison of features: of these products, only curfew ends open connections.
// The other products' tables of revoked tokens do not survive a restart, and do
// not say where they are in force.
//
// Read run.go, then products.go and verifier.go.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

// options are the flags.
type options struct {
	caddy       string
	only        string
	rounds      int
	slice       time.Duration
	connections int
	smoke       bool
	out         string
	core        string
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == rig.UpstreamRole:
		exit(rig.ServeAsUpstream(os.Args[2]))
	case len(os.Args) == 5 && os.Args[1] == verifierRole:
		exit(serveAsVerifier(os.Args[2], os.Args[3], os.Args[4]))
	}
	var o options
	flag.StringVar(&o.caddy, "caddy", "", "a Caddy with curfew; empty: build ./cmd/caddy")
	flag.StringVar(&o.only, "only", "", "products to run: a regular expression of their names")
	flag.IntVar(&o.rounds, "rounds", 7, "pairs of slices of each product and load")
	flag.DurationVar(&o.slice, "slice", 2*time.Second, "length of a slice")
	flag.IntVar(&o.connections, "connections", 32, "kept-alive client connections")
	flag.BoolVar(&o.smoke, "smoke", false, "one short round")
	flag.StringVar(&o.out, "out", "", "directory for peers.md, peers.json and peers.svg; empty: only stdout")
	flag.Parse()
	core, err := rig.MoveAside()
	if err != nil {
		exit(err)
	}
	o.core = core
	if o.smoke {
		o.rounds, o.slice = 1, 300*time.Millisecond
	}
	exit(run(o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
