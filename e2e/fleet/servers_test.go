//go:build e2e

package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/internal/gatewaytest"
)

// server is a nats-server process with files of its own.
type server struct {
	name    string
	dir     string
	client  string // host:port for clients
	env     []string
	prefix  []string
	process *gatewaytest.Process
}

// servers are three that form a cluster.
type servers struct {
	all  []*server
	dir  string
	conn *nats.Conn // of the test itself
	js   jetstream.JetStream
}

// everybodys is the cluster of those tests that do it no harm.
var everybodys sharedServers

type sharedServers struct {
	once sync.Once
	s    *servers
	err  error
}

func (e *sharedServers) get(t *testing.T) *servers {
	t.Helper()
	e.once.Do(func() { e.s, e.err = runServers(filepath.Join(gatewaytest.Workshop(), "nats"), setting{}) })
	if e.err != nil {
		t.Fatal(e.err)
	}
	return e.s
}

func (e *sharedServers) end() {
	if e.s != nil {
		e.s.end()
	}
}

// setting is what a test's servers have besides.
type setting struct {
	more string   // of the configuration
	env  []string // of the processes
	user string   // the file with the seed of the test's own
	// place is a command that runs another one, and where that listens.
	place func(i int) (prefix []string, host string)
	ca    string // the file of the authority, where TLS is spoken
}

// withRoles gives servers the accounts that operators are given.
func withRoles(is roles) setting {
	accounts, err := filepath.Abs(filepath.Join(root, "deploy/nats/accounts.conf"))
	if err != nil {
		panic(err)
	}
	// Configurations include by relative paths alone.
	return setting{more: "include " + strconv.Quote(strings.Repeat("../", 32)+accounts) + "\n", env: is.env, user: is.owner}
}

// ownServers are for a test that breaks them, or has them otherwise.
func ownServers(t *testing.T, is setting) *servers {
	t.Helper()
	s, err := runServers(t.TempDir(), is)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	return s
}

const serverConfig = `
server_name: %s
listen: %q
jetstream { store_dir: %q, sync_interval: always, max_file_store: 8GB, max_memory_store: 256MB }
cluster { name: curfew, listen: %q, routes: [%s], no_advertise: true }
`

// runServers starts three, which sync before they acknowledge.
func runServers(dir string, is setting) (*servers, error) {
	if _, err := buildNATS(); err != nil {
		return nil, err
	}
	s := &servers{dir: dir}
	var routes []string
	for i := range 3 {
		one := &server{name: fmt.Sprintf("n%d", i+1), client: freeAddress()}
		route := freeAddress()
		if is.place != nil {
			var host string
			one.prefix, host = is.place(i)
			one.client, route = strings.Replace(one.client, "127.0.0.1", host, 1), strings.Replace(route, "127.0.0.1", host, 1)
		}
		s.all, routes = append(s.all, one), append(routes, route)
	}
	for i, one := range s.all {
		one.dir = filepath.Join(dir, one.name)
		text := fmt.Sprintf(serverConfig, one.name, one.listen(), filepath.Join(one.dir, "store"), routes[i],
			`"nats-route://`+strings.Join(routes, `", "nats-route://`)+`"`)
		text += is.more
		one.env = is.env
		if err := errors.Join(os.MkdirAll(one.dir, 0o700), os.WriteFile(filepath.Join(one.dir, "conf"), []byte(text), 0o600)); err != nil {
			return nil, err
		}
		if err := one.start(); err != nil {
			return nil, err
		}
	}
	options := []nats.Option{
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // its servers die
	}
	if is.user != "" {
		identity, err := nats.NkeyOptionFromSeed(is.user)
		if err != nil {
			return nil, err
		}
		options = append(options, identity)
	}
	if is.ca != "" {
		options = append(options, nats.Secure(), nats.RootCAs(is.ca))
	}
	var err error
	if s.conn, err = nats.Connect(s.urls(), options...); err != nil {
		return nil, err
	}
	if s.js, err = jetstream.New(s.conn); err != nil {
		return nil, err
	}
	if is.user != "" {
		return s, nil // whose users may not try; the first gateway waits
	}
	return s, s.await()
}

// listen is where it takes clients: at all of its addresses, if it has several.
func (s *server) listen() string {
	_, port, _ := strings.Cut(s.client, ":")
	if len(s.prefix) > 0 {
		return "0.0.0.0:" + port
	}
	return s.client
}

func (s *server) start() error {
	binary, err := buildNATS()
	if err != nil {
		return err
	}
	words := append(slices.Clone(s.prefix), binary, "-c", filepath.Join(s.dir, "conf"))
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), s.env...)
	s.process, err = gatewaytest.StartLogged(cmd, filepath.Join(s.dir, "log"))
	return err
}

// await waits until streams can be kept.
func (s *servers) await() error {
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := s.js.AccountInfo(ctx)
		if err == nil {
			_, err = s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "PROBE", Subjects: []string{"probe"}, Replicas: 3})
		}
		if err == nil {
			err = s.js.DeleteStream(ctx, "PROBE")
		}
		cancel()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the NATS servers did not become ready: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *servers) urls() string {
	var all []string
	for _, one := range s.all {
		all = append(all, "nats://"+one.client)
	}
	return strings.Join(all, ",")
}

func (s *servers) end() {
	s.conn.Close()
	for _, one := range s.all {
		if one.process.Running() {
			_ = one.process.End(syscall.SIGKILL)
		}
	}
}

// leader is the server that leads a stream now.
func (s *servers) leader(t *testing.T, stream string) *server {
	t.Helper()
	var found *server
	gatewaytest.Eventually(t, patience, "the stream has a leader", func() error {
		info, err := s.info(stream)
		if err != nil {
			return err
		}
		for _, one := range s.all {
			if info.Cluster != nil && one.name == info.Cluster.Leader && one.process.Running() {
				found = one
				return nil
			}
		}
		return fmt.Errorf("the leader is %+v", info.Cluster)
	})
	return found
}

func (s *servers) info(stream string) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	found, err := s.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	return found.CachedInfo(), nil
}

// current waits until all replicas of a stream have everything.
func (s *servers) current(t *testing.T, stream string) {
	t.Helper()
	gatewaytest.Eventually(t, patience, "all replicas are current", func() error {
		info, err := s.info(stream)
		if err != nil {
			return err
		}
		for _, r := range info.Cluster.Replicas {
			if !r.Current || r.Offline {
				return fmt.Errorf("%s is behind by %d", r.Name, r.Lag)
			}
		}
		return nil
	})
}

// publish puts something into a stream that no node wrote.
func (s *servers) publish(t *testing.T, subject string, data []byte) {
	t.Helper()
	if _, err := s.js.Publish(t.Context(), subject, data); err != nil {
		t.Fatal(err)
	}
}
