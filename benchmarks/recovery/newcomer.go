package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/benchmarks/propagation/cluster"
	"curfew.dev/curfew/benchmarks/rig"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/revocation"
)

// servers hold the stream, callers fill it.
const (
	servers = 3
	callers = 512
)

// newcomer measures a node without a replica: the time until the whole stream
// of a cluster is in its index.
func newcomer(o options, dir string) (text string, err error) {
	n := o.newcomer
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making a directory for the cluster: %w", err)
	}
	binary, err := cluster.Build("", dir)
	if err != nil {
		return "", err
	}
	c, err := cluster.Start(binary, filepath.Join(dir, "servers"), servers)
	if err != nil {
		return "", err
	}
	defer c.Stop()
	writer, err := join(c, dir, "writer")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	if err := write(writer, n); err != nil {
		return "", err
	}
	ended, err := rig.Profile(o.profiles, fmt.Sprint("recovery-", os.Getpid()))
	if err != nil {
		return "", err
	}
	load, started := rig.LoadAverage(), time.Now()
	fresh, err := join(c, dir, "newcomer")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	f := &folding{until: writer.Head().Position, complete: make(chan struct{})}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Minute)
	defer stop()
	go func() { _ = fresh.Follow(ctx, revocation.Position{}, f) }()
	select {
	case <-f.complete:
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for the newcomer: it is at %s of %s", fresh.Head().Position, f.until)
	}
	took := time.Since(started)
	ended()
	if got := f.index.Entries(revocation.KindSubject); got < int64(n)-1 {
		return "", fmt.Errorf("a newcomer knows %d of %d entries", got, n)
	}
	return fmt.Sprintf("A new node without a replica, %d servers on this machine: %d entries in %.2f s, %.0f a second (load %s).\n",
		servers, n, took.Seconds(), float64(n)/took.Seconds(), load), nil
}

func join(c *cluster.Cluster, dir, name string) (*nats.Ledger, error) {
	dir = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of a replica: %w", err)
	}
	return nats.Open(nats.Options{URLs: c.URLs(), Replicas: servers, Dir: dir, Node: name + "/1", OnEmpty: local.Start})
}

// write appends n entries with many callers. Each caller revokes one account at
// a time.
func write(l *nats.Ledger, n int) error {
	var at atomic.Int64
	at.Store(1) // the genesis is the first
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := int(at.Add(1)); i <= n && failed.Load() == nil; i = int(at.Add(1)) {
				ctx, cancel := context.WithTimeout(context.Background(), rig.Patience)
				_, _, err := l.Append(ctx, []revocation.Record{record(i)}, ledger.Idempotency{})
				cancel()
				if err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return fmt.Errorf("filling the stream: %w", *err)
	}
	return nil
}

// folding is a follower that folds entries as a node does.
type folding struct {
	index    revocation.Index
	until    revocation.Position
	complete chan struct{}
	once     sync.Once
}

// Applied folds an entry.
func (f *folding) Applied(e revocation.Entry, _ string) {
	f.index.Apply(e)
	if e.Position == f.until {
		f.once.Do(func() { close(f.complete) })
	}
}

// Ticked does nothing here.
func (f *folding) Ticked(ledger.Tick) {}

// Heard does nothing here.
func (f *folding) Heard(ledger.Heartbeat) {}

// Acknowledged does nothing here.
func (f *folding) Acknowledged(ledger.Acknowledgement) {}

// Asked does nothing here.
func (f *folding) Asked(revocation.Ref) (ledger.Answer, bool) { return ledger.Answer{}, false }
