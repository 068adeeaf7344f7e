package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/node"
)

// alone starts a node with a ledger of its own.
func alone(dir string) (*node.Node, error) {
	return start(dir, "alone", func(dir string) (ledger.Ledger, error) {
		return local.Open(local.Options{Dir: dir, OnEmpty: local.Start})
	})
}

// together starts nodes that share a new stream of a cluster.
func together(urls []string, o options, dir, stream string, n int) (all []*node.Node, err error) {
	for i := range n {
		name := fmt.Sprint("edge-", i+1)
		one, err := start(filepath.Join(dir, stream), name, func(dir string) (ledger.Ledger, error) {
			return nats.Open(nats.Options{URLs: urls, Stream: stream, Replicas: o.servers, Dir: dir, Node: name + "/1", OnEmpty: local.Start})
		})
		if err != nil {
			stop(all)
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func start(dir, name string, open func(dir string) (ledger.Ledger, error)) (*node.Node, error) {
	dir = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of a ledger: %w", err)
	}
	n := node.New(node.Config{Name: name, Instance: "1", Open: func() (ledger.Ledger, error) { return open(dir) }})
	if err := n.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(rig.Patience); n.State() != node.Ready; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			err := fmt.Errorf("waiting for %s: it is %s: %v", n.ID(), n.State(), n.Why())
			stop([]*node.Node{n})
			return nil, err
		}
	}
	return n, nil
}

func stop(all []*node.Node) {
	for _, n := range all {
		_ = n.Close() // the measurement is complete
	}
}
