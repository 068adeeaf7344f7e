//go:build e2e

package fleet

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/internal/seedtest"
)

// F-24: servers die. What was acknowledged before, meanwhile and afterwards is
// there in the end, and nobody serves on what he can't know.
func TestServersDie(t *testing.T) {
	t.Parallel()
	s := ownServers(t, setting{})
	f := newFleet(t, s, 3)
	people := crowd("person", 3)
	f.load(people, 20*time.Millisecond, f.gateways...)

	t.Run("the leader of the stream", func(t *testing.T) {
		for range pick(1, 5) {
			writing := f.keepWriting("leader")
			rest(t.Context(), 300*time.Millisecond)
			f.restart(t, s.leader(t, f.stream), func() { rest(t.Context(), maxStaleness) })
			writing()
			f.allServe()
			s.current(t, f.stream)
		}
	})
	t.Run("all at once", func(t *testing.T) {
		for range pick(1, 5) {
			writing := f.keepWriting("all")
			rest(t.Context(), 300*time.Millisecond)
			for _, one := range s.all {
				if err := one.process.End(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			rest(t.Context(), maxStaleness+200*time.Millisecond)
			for _, g := range f.gateways {
				if a := f.ask(t.Context(), g, "bystander"); a.status != http.StatusServiceUnavailable {
					t.Errorf("%s serves without any server: %d", g.Name, a.status)
				}
			}
			for _, one := range s.all {
				if err := one.start(); err != nil {
					t.Fatal(err)
				}
			}
			f.allServe()
			writing()
			s.current(t, f.stream)
		}
	})
	f.judge()
}

// restart kills a server and starts it again after something was done.
func (f *fleet) restart(t *testing.T, one *server, meanwhile func()) {
	t.Helper()
	if err := one.process.End(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	meanwhile()
	if err := one.start(); err != nil {
		t.Fatal(err)
	}
}

// allServe waits until every gateway is ready.
func (f *fleet) allServe() {
	f.t.Helper()
	began := time.Now()
	for _, g := range f.gateways {
		g.AwaitReady(f.t)
	}
	f.t.Logf("all serve after %s", time.Since(began).Round(time.Millisecond))
}

// keepWriting has every gateway asked to revoke people, over and over, with a
// retry under the same key where the outcome is not known. The function that it
// returns ends that.
func (f *fleet) keepWriting(name string) (stop func()) {
	done := make(chan struct{})
	var writers sync.WaitGroup
	for _, g := range f.gateways {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				case <-time.After(20 * time.Millisecond):
				}
				who := fmt.Sprintf("%s-%d-%s-%d", name, streams.Add(1), g.Name, n)
				if w, _ := f.revoke(g, who, "wait", "0s"); w.status == http.StatusServiceUnavailable {
					f.revokeWithKey(f.gateways[n%len(f.gateways)], who, w.key, "wait", "0s")
				}
			}
		})
	}
	return func() { close(done); writers.Wait() }
}

// F-24: the files of one server are damaged while it is down. Either the servers
// mend that among themselves, or the gateways notice and refuse until somebody
// adopts what there is. Nothing is forgotten either way.
func TestDamagedServer(t *testing.T) {
	t.Parallel()
	for round := range pick(1, 6) {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			s := ownServers(t, setting{})
			f := newFleet(t, s, 3)
			f.load(crowd("person", 3), 50*time.Millisecond, f.gateways...)
			writing := f.keepWriting("before")
			rest(t.Context(), 2*time.Second)
			writing()
			s.current(t, f.stream)
			victim := s.leader(t, f.stream)
			f.restart(t, victim, func() { flip(t, victim.dir, pick(20, 20+100*round)) })
			// So that the damaged one may come to lead.
			for range 2 {
				rest(t.Context(), 2*time.Second)
				f.restart(t, s.leader(t, f.stream), func() { rest(t.Context(), time.Second) })
			}
			began, adopted := time.Now(), 0
			for !f.serve() {
				rest(t.Context(), 500*time.Millisecond)
				why := f.damage()
				if why != "" && time.Since(began) > 15*time.Second {
					t.Logf("the gateways have noticed: %s", why)
					f.adopt(f.gateways[0])
					adopted++
				}
				if time.Since(began) > 2*patience {
					t.Fatal("they never serve again")
				}
			}
			t.Logf("all serve after %s, and %d times somebody adopted", time.Since(began).Round(time.Millisecond), adopted)
			// One that serves may still be on its way to another server.
			gatewaytest.Eventually(t, patience, "a write succeeds", func() error {
				if w, _ := f.revoke(f.gateways[1], "person-1"); w.status != http.StatusCreated {
					return fmt.Errorf("%d %s", w.status, w.problem)
				}
				return nil
			})
			f.judge()
		})
	}
}

// serve reports whether all gateways do.
func (f *fleet) serve() bool {
	for _, g := range f.gateways {
		if g.Ready() != nil {
			return false
		}
	}
	return true
}

// damage is what a gateway says that is damaged.
func (f *fleet) damage() string {
	for _, g := range f.gateways {
		if s, err := g.self(f.t.Context()); err == nil && s.State == "damaged" {
			return g.Name + ": " + s.Why
		}
	}
	return ""
}

// flip changes bits here and there in the blocks of messages of a server that is
// down, and takes away what it would check them by.
func flip(t *testing.T, dir string, bits int) {
	t.Helper()
	var blocks []string
	random := seedtest.New(t)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
		case filepath.Ext(path) == ".blk":
			blocks = append(blocks, path)
		case d.Name() == "index.db":
			return os.Remove(path)
		}
		return err
	})
	if err == nil && len(blocks) == 0 {
		err = errors.New("there are no blocks")
	}
	for range bits {
		err = errors.Join(err, flipIn(random, blocks[random.IntN(len(blocks))]))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func flipIn(random *rand.Rand, path string) error {
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		return err
	}
	b[random.IntN(len(b))] ^= 1 << random.IntN(8)
	return os.WriteFile(path, b, 0o600)
}
