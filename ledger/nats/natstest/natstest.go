// Package natstest runs real NATS servers with JetStream for tests, within the
// process and on loopback only. Shipped code must never import it.
//
// # Reading order
//
//  1. natstest.go: the servers.
//  2. user.go and authority.go: their users and certificates.
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

// Cluster is a cluster of NATS servers.
type Cluster struct {
	t       testing.TB
	options []*server.Options
	servers []*server.Server
}

// Run starts n servers and stops them at the end of the test. The servers sync
// before they acknowledge. Each setting may change the options of a server, such
// as its accounts. Servers are counted from 0.
func Run(t testing.TB, n int, settings ...func(i int, o *server.Options)) *Cluster {
	t.Helper()
	c := &Cluster{t: t, servers: make([]*server.Server, n)}
	dir := t.TempDir()
	ports := keepPorts(t, 2*n) // a server that is started again has the same ports
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

// Start starts a stopped server.
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

// Dir returns the directory of a server's files.
func (c *Cluster) Dir(i int) string { return c.options[i].StoreDir }

// Server returns a server, or nil while it is stopped.
func (c *Cluster) Server(i int) *server.Server { return c.servers[i] }

// URLs returns the servers' URLs for clients.
func (c *Cluster) URLs() []string {
	var urls []string
	for _, o := range c.options {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", o.Port))
	}
	return urls
}

// patience is the time limit of an election on a busy machine.
const patience = 2 * time.Minute

// Await waits until the cluster can store streams.
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
