//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// TestAcknowledgedIsDurable kills the gateway in the middle of a flood of
// revocations: every one that was answered with 201 is there afterwards.
func TestAcknowledgedIsDurable(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	var (
		writers sync.WaitGroup
		mu      sync.Mutex
		acked   = make(map[string]string) // session by receipt
	)
	secret := g.read(t, g.Secrets+"/write")
	for w := range 4 {
		writers.Go(func() {
			for n := 0; ; n++ {
				sid := fmt.Sprintf("session-%d-%d", w, n)
				id, err := g.revokeSession(sid, secret)
				if err != nil {
					return // the gateway is dead
				}
				mu.Lock()
				acked[id] = sid
				mu.Unlock()
			}
		})
	}
	eventually(t, 20*time.Second, "some revocations are acknowledged", func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(acked) < 200 {
			return fmt.Errorf("%d so far", len(acked))
		}
		return nil
	})
	g.kill(t)
	writers.Wait()
	g.start(t)
	for id, sid := range acked {
		var r receipt
		g.as("read").want(t, http.StatusOK, http.MethodGet, "/v1/revocations/"+id, nil, &r)
		if r.Target["sid"] != sid {
			t.Errorf("%s is about %v, it was acknowledged for %s", id, r.Target, sid)
		}
	}
	t.Logf("%d acknowledged revocations survived kill -9", len(acked))
}

// TestLostDisk takes the ledger away. A gateway can't know what it has lost, so
// nobody who was signed in before gets in; who signs in again does.
func TestLostDisk(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{OnEmpty: "sign_out_all"})
	s := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	g.expect(t, "signed-out", s, "/", "who signed in before the first start, give or take the skew")
	s = returns(t, g, s, "/")
	g.cut(t, object{"target": g.target("sub", "alice")})
	g.expect(t, "signed-out", s, "/", "alice, signed out")
	bob := newBrowser(t, p, "bob", "laptop-of-bob").signIn(t, "web")
	g.expect(t, admit, bob, "/", "bob")

	g.stop(t)
	if err := os.RemoveAll(g.path("data")); err != nil { // all of it, also what watches over it
		t.Fatal(err)
	}
	g.start(t)
	g.expect(t, "signed-out", s, "/", "alice, with the disk lost")
	g.expect(t, "signed-out", bob, "/", "bob, with the disk lost")
	returns(t, g, bob, "/")
}

// TestTamperedLedger flips a byte. The gateway must not guess.
func TestTamperedLedger(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	s := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	g.cut(t, object{"target": g.target("sub", "alice"), "reason": "find me in the file"})
	g.stop(t)
	flip(t, g.path("data/caddy/curfew/ledger"), "find me in the file")
	g.begin(t)
	g.awaitLive(t)
	g.expect(t, "not-ready", s, "/", "with a damaged ledger")
	a := g.as("write").call(t, http.MethodPost, "/v1/revocations", object{"target": g.target("sub", "bob")})
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("a write to a damaged ledger: %d %s", a.status, a.body)
	}
}
