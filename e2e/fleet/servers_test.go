//go:build e2e

package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// server is a nats-server process with files of its own.
type server struct {
	name    string
	dir     string
	client  string // host:port for clients
	process *process
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
	e.once.Do(func() { e.s, e.err = runServers(filepath.Join(workshop, "nats"), nil) })
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

// ownServers are for a test that breaks them.
func ownServers(t *testing.T, wrap func(*exec.Cmd) *exec.Cmd) *servers {
	t.Helper()
	s, err := runServers(t.TempDir(), wrap)
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
cluster { name: curfew, listen: %q, routes: [%s] }
`

// runServers starts three, which sync before they acknowledge. wrap may put the
// command of each into another.
func runServers(dir string, wrap func(*exec.Cmd) *exec.Cmd) (*servers, error) {
	if _, err := buildNATS(); err != nil {
		return nil, err
	}
	s := &servers{dir: dir}
	var routes []string
	for range 3 {
		routes = append(routes, freeAddress())
	}
	for i, route := range routes {
		one := &server{name: fmt.Sprintf("n%d", i+1), client: freeAddress()}
		one.dir = filepath.Join(dir, one.name)
		text := fmt.Sprintf(serverConfig, one.name, one.client, filepath.Join(one.dir, "store"), route,
			`"nats-route://`+strings.Join(routes, `", "nats-route://`)+`"`)
		if err := errors.Join(os.MkdirAll(one.dir, 0o700), os.WriteFile(filepath.Join(one.dir, "conf"), []byte(text), 0o600)); err != nil {
			return nil, err
		}
		s.all = append(s.all, one)
		if err := one.start(wrap); err != nil {
			return nil, err
		}
	}
	var err error
	if s.conn, err = nats.Connect(s.urls(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond)); err != nil {
		return nil, err
	}
	if s.js, err = jetstream.New(s.conn); err != nil {
		return nil, err
	}
	return s, s.await()
}

func (s *server) start(wrap func(*exec.Cmd) *exec.Cmd) error {
	binary, err := buildNATS()
	if err != nil {
		return err
	}
	cmd := exec.Command(binary, "-c", filepath.Join(s.dir, "conf"))
	if wrap != nil {
		cmd = wrap(cmd)
	}
	s.process, err = start(cmd, filepath.Join(s.dir, "log"))
	return err
}

// await waits until streams can be kept.
func (s *servers) await() error {
	deadline := time.Now().Add(40 * time.Second)
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
		if one.process.running() {
			_ = one.process.end(syscall.SIGKILL)
		}
	}
}

// leader is the server that leads a stream now.
func (s *servers) leader(t *testing.T, stream string) *server {
	t.Helper()
	var found *server
	eventually(t, 30*time.Second, "the stream has a leader", func() error {
		info, err := s.info(stream)
		if err != nil {
			return err
		}
		for _, one := range s.all {
			if info.Cluster != nil && one.name == info.Cluster.Leader && one.process.running() {
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
	eventually(t, 60*time.Second, "all replicas are current", func() error {
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
