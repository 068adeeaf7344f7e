//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
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
	sample := g.as("write").request(t, http.MethodPost, "/v1/revocations", object{})
	for w := range 4 {
		writers.Go(func() {
			for n := 0; ; n++ {
				sid := fmt.Sprintf("session-%d-%d", w, n)
				id, err := g.revokeSession(sample, sid)
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

// revokeSession sends a request like the sample, about one session.
func (g *gateway) revokeSession(sample *http.Request, sid string) (id string, err error) {
	body, err := json.Marshal(object{"target": g.target("sid", sid)})
	if err != nil {
		return "", err
	}
	r := sample.Clone(sample.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	a, err := g.exchange(r)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusCreated {
		return "", fmt.Errorf("revoking: %d", a.status)
	}
	var got receipt
	err = json.Unmarshal(a.body, &got)
	return got.ID, err
}

// TestLostDisk takes the ledger away. A gateway can't know what it has lost, so
// nobody who was signed in before gets in; who signs in again does.
func TestLostDisk(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	s := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	g := newGateway(t, p, config{OnEmpty: "sign_out_all"})
	g.expect(t, "signed-out", s, "/", "who signed in before the first start")
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

// TestTamperedLedger changes one byte of a record. The gateway must not guess.
func TestTamperedLedger(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	s := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	g.cut(t, object{"target": g.target("sub", "alice"), "reason": "find me in the file"})
	g.stop(t)
	tamper(t, g.path("data/caddy/curfew/ledger"), "find me in the file", "Find me in the file")
	g.begin(t)
	g.awaitLive(t)
	g.expect(t, "not-ready", s, "/", "with a damaged ledger")
	a := g.as("write").call(t, http.MethodPost, "/v1/revocations", object{"target": g.target("sub", "bob")})
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("a write to a damaged ledger: %d %s", a.status, a.body)
	}
}

// tamper replaces a text in every file below a directory.
func tamper(t *testing.T, dir, old, replacement string) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(old)) {
			return err
		}
		found = true
		return os.WriteFile(path, bytes.ReplaceAll(b, []byte(old), []byte(replacement)), 0o600)
	})
	if err != nil || !found {
		t.Fatalf("tampering with %s: found %t, %v", dir, found, err)
	}
}
