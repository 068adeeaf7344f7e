// Package cluster runs a JetStream cluster for benchmarks. Its servers are
// real, each a process of its own on loopback, configured as the ledger
// requires. It must never depend on the content of the streams.
package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

// Cluster is a running set of servers.
type Cluster struct {
	servers []*server
}

// server is one server with its addresses.
type server struct {
	name                   string
	client, route, monitor string
	process                *rig.Process
}

// Build compiles the server of go.mod into a directory, unless the caller gives
// the path of a binary. It returns the path of the binary.
func Build(given, dir string) (binary string, err error) {
	if given != "" {
		return filepath.Abs(given)
	}
	binary = filepath.Join(dir, "nats-server")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building nats-server (run this inside the repository): %w\n%s", err, out)
	}
	return binary, nil
}

// Start starts n servers of a binary, which keep their files below dir. It
// returns once they form a cluster.
func Start(binary, dir string, n int) (*Cluster, error) {
	c := new(Cluster)
	free, err := rig.FreeAddresses(3 * n)
	if err != nil {
		return nil, err
	}
	for i := range n {
		at := free[3*i:]
		c.servers = append(c.servers, &server{name: fmt.Sprint("n", i+1), client: at[0], route: at[1], monitor: at[2]})
	}
	for _, s := range c.servers {
		if err := c.start(s, binary, filepath.Join(dir, s.name)); err != nil {
			c.Stop()
			return nil, err
		}
	}
	for _, s := range c.servers {
		if err := rig.Await(s.process, rig.Patience, func() error { return s.healthy(n) }); err != nil {
			c.Stop()
			return nil, err
		}
	}
	return c, nil
}

func (c *Cluster) start(s *server, binary, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of a NATS server: %w", err)
	}
	config := filepath.Join(dir, "nats-server.conf")
	if err := os.WriteFile(config, []byte(c.config(s, dir)), 0o600); err != nil {
		return fmt.Errorf("configuring a NATS server: %w", err)
	}
	s.process, err = rig.Start(rig.Command{Name: s.name, Path: binary, Args: []string{"-c", config}, Dir: dir})
	return err
}

func (c *Cluster) config(s *server, dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server_name: %s\nlisten: %q\nhttp: %q\n", s.name, s.client, s.monitor)
	fmt.Fprintf(&b, "jetstream { store_dir: %q, sync_interval: always, max_mem: 1G, max_file: 16G }\n", dir)
	if len(c.servers) > 1 {
		fmt.Fprintf(&b, "cluster { name: benchmark, listen: %q, routes: [", s.route)
		for _, peer := range c.servers {
			fmt.Fprintf(&b, "%q, ", "nats-route://"+peer.route)
		}
		b.WriteString(" ] }\n")
	}
	return b.String()
}

// healthy asks a server for its health and for the cluster that it sees.
func (s *server) healthy(of int) error {
	client := http.Client{Timeout: time.Second}
	health, err := client.Get("http://" + s.monitor + "/healthz")
	if err != nil {
		return err
	}
	health.Body.Close()
	answer, err := client.Get("http://" + s.monitor + "/jsz")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var seen struct {
		Meta struct {
			Leader string `json:"leader"`
			Size   int    `json:"cluster_size"`
		} `json:"meta_cluster"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&seen); err != nil {
		return fmt.Errorf("reading the state of %s: %w", s.name, err)
	}
	if health.StatusCode != http.StatusOK || of > 1 && (seen.Meta.Leader == "" || seen.Meta.Size != of) {
		return errors.New("the servers have not formed a cluster")
	}
	return nil
}

// URLs returns the URLs of all servers, for clients.
func (c *Cluster) URLs() []string {
	var urls []string
	for _, s := range c.servers {
		urls = append(urls, "nats://"+s.client)
	}
	return urls
}

// CPU returns the CPU time of all servers together.
func (c *Cluster) CPU() (total time.Duration, err error) {
	for _, s := range c.servers {
		one, err := s.process.CPU()
		if err != nil {
			return 0, err
		}
		total += one
	}
	return total, nil
}

// Stop ends the servers.
func (c *Cluster) Stop() {
	for _, s := range c.servers {
		s.process.Stop()
	}
}
