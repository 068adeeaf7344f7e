package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// gateway is a node of the fleet and its live requests.
type gateway struct {
	*node.Node
	live  live.Registry
	watch *stopwatch
}

// fleet is a set of nodes that know one another. All nodes run in this process
// and share one heap and one scheduler. Each has its own connections, replica
// and goroutines, as on a machine of its own.
type fleet []*gateway

// startFleet starts nodes with replicas below dir, and waits until a receipt
// names them all. Entries is the number of entries that they will receive.
func startFleet(urls []string, o options, dir string, entries int) (fleet, error) {
	var f fleet
	began := time.Now()
	for i := range o.nodes {
		g, err := newGateway(urls, o, dir, i)
		if err == nil {
			g.watch = newStopwatch(began, entries)
			err = g.Start()
		}
		if err == nil {
			f = append(f, g)
		}
		if err == nil && i == 0 { // which creates the stream
			err = f.await()
		}
		if err != nil {
			f.stop()
			return nil, err
		}
	}
	err := f.await()
	for i := 0; err == nil && i < o.writers; i++ {
		err = f[i].knowsAll(o.nodes)
	}
	if err != nil {
		f.stop()
	}
	return f, err
}

func newGateway(urls []string, o options, dir string, i int) (*gateway, error) {
	name := fmt.Sprint("edge-", i+1)
	dir = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of a replica: %w", err)
	}
	g := new(gateway)
	g.Node = node.New(node.Config{
		Name: name, Instance: "1", Live: &g.live,
		Open: func() (ledger.Ledger, error) {
			l, err := nats.Open(nats.Options{URLs: urls, Replicas: o.servers, Dir: dir, Node: name + "/1", OnEmpty: local.Start})
			if err != nil {
				return nil, err
			}
			return watched{l, g.watch}, nil
		},
	})
	g.Configure(node.Settings{Expect: o.nodes})
	return g, nil
}

// await waits until all nodes are ready.
func (f fleet) await() error {
	deadline := time.Now().Add(rig.Patience)
	for _, g := range f {
		for g.State() != node.Ready {
			if time.Now().After(deadline) {
				return fmt.Errorf("waiting for %s: it is %s: %v", g.ID(), g.State(), g.Why())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nil
}

// knowsAll waits until a receipt of this node names all nodes.
func (g *gateway) knowsAll(nodes int) error {
	for deadline := time.Now().Add(rig.Patience); ; {
		state, err := g.probe()
		if err == nil && state == "enforced" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting until %s knows %d nodes: its receipt says %q: %v", g.ID(), nodes, state, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func (g *gateway) probe() (state string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	records := []revocation.Record{signOut("nobody")}
	w, err := g.Submit(ctx, records, ledger.Idempotency{})
	if err != nil {
		return "", err
	}
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	g.Await(short, w.Position)
	return g.receipt(w.Position, &records[0]).State, nil
}

func (g *gateway) receipt(p revocation.Position, r *revocation.Record) node.Enforcement {
	return g.ReceiptOf(r, revocation.Ref{Position: p}).Enforcement
}

// stop closes all nodes at the same time, because each takes a while to tell
// the others.
func (f fleet) stop() {
	closed := make(chan error)
	for _, g := range f {
		go func() { closed <- g.Close() }()
	}
	for range f {
		<-closed // the measurement is complete
	}
}
