// Command overhead measures the CPU time and latency that curfew adds to a
// proxied request. It runs real Caddies with reverse_proxy to a real upstream: a
// stock one, some with curfew, and some with a handler that does nothing but set
// as many headers. All get the same load in short alternating slices, so that
// other work of the machine affects all alike.
//
//	go run ./benchmarks/overhead            all scenarios, about an hour
//	go run ./benchmarks/overhead -only '^(1|1k) tokens, 0 entries, 0 '
//	go run ./benchmarks/overhead -caddy ./patched -identity ''
//	go run ./benchmarks/overhead -smoke     a few seconds: does it all still work?
//	go run ./benchmarks/overhead -flood     bad tokens beside good requests
//	go run ./benchmarks/overhead -sign-outs calls of the admin API
//
// It writes a table to stdout. It writes overhead.md, overhead.json and
// overhead.svg into the directory of -out. It connects to loopback only. It
// must never gate a build by a time: -smoke fails for wrong answers alone.
//
// Read run.go and scenario.go first, then contestants.go with gateway.go, measure.go
// and report.go.
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
	smoke, flood bool
	signOuts     bool
	only         string
	caddy, base  string
	identities   string
	utilisation  float64
	rounds       int
	slice        time.Duration
	connections  int
	rate         float64
	badRate      float64
	algorithm    string
	gogc         string
	cache        string
	arrive       string
	out          string
	profiles     string
	core         string
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == rig.UpstreamRole {
		exit(rig.ServeAsUpstream(os.Args[2]))
	}
	var o options
	flag.BoolVar(&o.smoke, "smoke", false, "one short round of small scenarios")
	flag.BoolVar(&o.flood, "flood", false, "measure good requests under a flood of bad tokens instead")
	flag.BoolVar(&o.signOuts, "sign-outs", false, "measure sign-outs by the admin API instead")
	flag.StringVar(&o.only, "only", "", "scenarios to run: a regular expression of their names")
	flag.StringVar(&o.caddy, "caddy", "", "a Caddy to measure: guarded if it has curfew, else as it is, beside one that is built from ./cmd/caddy")
	flag.StringVar(&o.base, "base", "", "the Caddy to compare with; empty: build the one that go.mod names, without curfew")
	flag.StringVar(&o.identities, "identity", "all,minimal", "what guards pass on: some of all, minimal, none; empty: no guards")
	flag.Float64Var(&o.utilisation, "utilisation", 0.9, "drop rounds in which a gateway had less of its core")
	flag.IntVar(&o.rounds, "rounds", 40, "pairs of slices of each scenario")
	flag.DurationVar(&o.slice, "slice", 500*time.Millisecond, "length of a slice")
	flag.IntVar(&o.connections, "connections", 32, "kept-alive client connections")
	flag.Float64Var(&o.rate, "rate", 2000, "requests per second of the open loop that latencies are taken in; 0: take none")
	flag.Float64Var(&o.badRate, "bad-rate", 20_000, "bad tokens per second of -flood")
	flag.StringVar(&o.algorithm, "algorithm", "ES256", "of the tokens: ES256 or RS256")
	flag.StringVar(&o.gogc, "gogc", "100", "GOGC of both")
	flag.StringVar(&o.cache, "token-cache", "", "token_cache of curfew; empty: its default, by the memory")
	flag.StringVar(&o.arrive, "arrive", "single", "how revocations arrive: single (one call each) or import")
	flag.StringVar(&o.out, "out", "", "directory for the results; empty: only stdout")
	flag.StringVar(&o.profiles, "profiles", "", "directory for CPU profiles of the gateways; empty: none")
	flag.Parse()
	if o.smoke {
		o.rounds, o.slice, o.utilisation = 1, 500*time.Millisecond, 0
	}
	if o.flood {
		exit(runFlood(o)) // on all cores, as a flood would find it
	}
	var err error
	if o.core, err = rig.MoveAside(); err != nil {
		exit(err)
	}
	if o.signOuts {
		exit(runSignOuts(o))
	}
	exit(run(o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "overhead:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
