// Package natstest runs real NATS servers with JetStream for tests, within the
// process and on loopback only. It must never be imported by anything that is
// shipped.
package natstest

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"curfew.dev/curfew/internal/porttest"
)

// Cluster is some servers that form one.
type Cluster struct {
	t       testing.TB
	options []*server.Options
	servers []*server.Server
}

// Run starts n servers, which sync before they acknowledge, and stops them with
// the test. Each setting may change what a server, counted from 0, is started
// with: its accounts, say.
func Run(t testing.TB, n int, settings ...func(i int, o *server.Options)) *Cluster {
	t.Helper()
	c := &Cluster{t: t, servers: make([]*server.Server, n)}
	dir := t.TempDir()
	ports := keepPorts(t, 2*n) // servers are started again where they were
	routes, clients := ports[:n], ports[n:]
	var peers []*url.URL
	for _, port := range routes {
		peers = append(peers, &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	for i := range n {
		o := &server.Options{
			ServerName: fmt.Sprintf("n%d", i+1), Host: "127.0.0.1", Port: clients[i],
			JetStream: true, StoreDir: filepath.Join(dir, fmt.Sprint(i+1)), SyncAlways: true,
			NoLog: true, NoSigs: true, JetStreamMaxStore: 4 << 30, JetStreamMaxMemory: 1 << 30,
		}
		if n > 1 {
			o.Cluster = server.ClusterOpts{Name: "curfew", Host: "127.0.0.1", Port: routes[i]}
			o.Routes = peers
		}
		for _, set := range settings {
			set(i, o)
		}
		c.options = append(c.options, o)
		c.Start(i)
	}
	t.Cleanup(func() {
		for i := range n {
			c.Stop(i)
		}
	})
	c.Await()
	return c
}

// Start starts a server that doesn't run.
func (c *Cluster) Start(i int) {
	c.t.Helper()
	o := *c.options[i]
	s, err := server.NewServer(&o)
	if err != nil {
		c.t.Fatal(err)
	}
	s.Start()
	c.servers[i] = s
}

// Stop stops a server and waits until it has ended.
func (c *Cluster) Stop(i int) {
	if s := c.servers[i]; s != nil {
		s.Shutdown()
		s.WaitForShutdown()
		c.servers[i] = nil
	}
}

// Dir is where a server keeps its files.
func (c *Cluster) Dir(i int) string { return c.options[i].StoreDir }

// Server is one of them, nil while it doesn't run.
func (c *Cluster) Server(i int) *server.Server { return c.servers[i] }

// URLs of the servers, for clients.
func (c *Cluster) URLs() []string {
	var urls []string
	for _, o := range c.options {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", o.Port))
	}
	return urls
}

// patience is more than elections take on a busy machine.
const patience = 2 * time.Minute

// Await waits until the cluster can keep streams.
func (c *Cluster) Await() {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for !c.ready() {
		if time.Now().After(deadline) {
			c.t.Fatal("the NATS servers did not become ready")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (c *Cluster) ready() bool {
	leader, running := len(c.servers) == 1, 0
	for _, s := range c.servers {
		if s == nil {
			continue
		}
		if !s.ReadyForConnections(time.Millisecond) {
			return false
		}
		running++
		leader = leader || s.JetStreamIsLeader()
	}
	if len(c.servers) > 1 {
		for _, s := range c.servers {
			if s != nil && (s.NumRoutes() == 0 || !s.JetStreamIsCurrent()) {
				return false
			}
		}
	}
	return leader && running > len(c.servers)/2
}

func keepPorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i, port := range porttest.Keep(t, n) {
		var err error
		if ports[i], err = strconv.Atoi(port); err != nil {
			t.Fatal(err)
		}
	}
	return ports
}
