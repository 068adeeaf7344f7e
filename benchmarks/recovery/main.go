// Command recovery measures the time from the start of a node until it knows
// every revocation again. The node opens a replica, verifies all of it, and
// folds it into an index. After that, a single gateway is ready at once, and a
// node of a cluster one tick later.
//
//	go run ./benchmarks/recovery                     1 and 10 million entries, about 10 minutes and 5 GB of disk
//	go run ./benchmarks/recovery -entries 100000     a few seconds
//	go run ./benchmarks/recovery -newcomer 1000000   also a node that has nothing, beside three NATS servers
//
// Each start is a process of its own. The table goes to stdout. With -out,
// recovery.md and recovery.json go into that directory. It must never gate a
// build by a time.
//
// Read run.go first, then start.go, newcomer.go, fill.go and report.go.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// options are the flags.
type options struct {
	entries  []int
	starts   int
	dir      string
	out      string
	profiles string
	newcomer int
}

func main() {
	var o options
	child := flag.String("start", "", "what a child process does: start on the replica in this directory")
	entries := flag.String("entries", "1000000,10000000", "entries of each replica, separated by commas")
	flag.IntVar(&o.starts, "starts", 5, "starts on each replica, with its files in the page cache and without")
	flag.StringVar(&o.dir, "dir", "", "directory for the replicas, which are kept there and used again; empty: a temporary one")
	flag.StringVar(&o.out, "out", "", "directory for the results; empty: only stdout")
	flag.IntVar(&o.newcomer, "newcomer", 0, "entries of a cluster's stream that a node without a replica reads; 0: none")
	flag.StringVar(&o.profiles, "profile", "", "directory for CPU profiles of the starts; empty: none")
	flag.Parse()
	if *child != "" {
		exit(startAsChild(*child, o.profiles))
	}
	for field := range strings.SplitSeq(*entries, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 || o.starts < 1 {
			exit(fmt.Errorf("-entries %q with %d starts: want numbers above 0", *entries, o.starts))
		}
		o.entries = append(o.entries, n)
	}
	exit(run(o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "recovery:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
