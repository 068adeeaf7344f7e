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
)

// TestAcknowledgedIsDurable ends the gateway in the middle of a flood of
// revocations: every one that was answered with 201 is there afterwards, and
// none is answered with what reads as anything else than "not now".
func TestAcknowledgedIsDurable(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*gateway, testing.TB){"kill -9": (*gateway).Kill, "SIGTERM": (*gateway).Stop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, newProvider(t), config{})
			f := g.flood(t)
			eventually(t, patience, "some revocations are acknowledged", func() error {
				if n := f.count(); n < 200 {
					return fmt.Errorf("%d so far", n)
				}
				return nil
			})
			end(g, t)
			f.writers.Wait()
			for _, status := range f.refused {
				if status != http.StatusServiceUnavailable {
					t.Errorf("a revocation was answered with %d", status)
				}
			}
			g.Start(t)
			for id, sid := range f.acked {
				r := must[receipt](t)(g.as("read").client().Receipt(t.Context(), id))
				if r.Target.Session != sid {
					t.Errorf("%s is about %v, it was acknowledged for %s", id, r.Target, sid)
				}
			}
			t.Logf("%d acknowledged revocations survived %s", len(f.acked), name)
		})
	}
}

// flood is what became of many revocations by many callers.
type flood struct {
	writers sync.WaitGroup
	mu      sync.Mutex
	acked   map[string]string // session by receipt
	refused []int             // statuses
}

// flood revokes sessions, through the site and through Caddy's endpoint, until
// nobody answers.
func (g *gateway) flood(t *testing.T) *flood {
	t.Helper()
	f := &flood{acked: make(map[string]string)}
	site := g.as("write").request(t, http.MethodPost, "/v1/revocations", object{})
	endpoint := site.Clone(site.Context())
	endpoint.URL.Host, endpoint.URL.Path, endpoint.Host = g.Endpoint, "/curfew/v1/revocations", ""
	for w, sample := range []*http.Request{site, site, endpoint, endpoint} {
		f.writers.Go(func() {
			for n := 0; ; n++ {
				sid := fmt.Sprintf("session-%d-%d", w, n)
				status, id, err := g.revokeSession(sample, sid)
				if err != nil {
					return // the gateway is dead
				}
				f.note(status, id, sid)
			}
		})
	}
	return f
}

func (f *flood) note(status int, id, sid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if status == http.StatusCreated {
		f.acked[id] = sid
		return
	}
	f.refused = append(f.refused, status)
}

func (f *flood) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.acked)
}

// revokeSession sends a request like the sample, about one session.
func (g *gateway) revokeSession(sample *http.Request, sid string) (status int, id string, err error) {
	body, err := json.Marshal(object{"target": g.target("sid", sid)})
	if err != nil {
		return 0, "", err
	}
	r := sample.Clone(sample.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	a, err := g.exchange(r)
	if err != nil || a.status != http.StatusCreated {
		return a.status, "", err
	}
	var got receipt
	err = json.Unmarshal(a.body, &got)
	return a.status, got.ID, err
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

	g.Stop(t)
	if err := os.RemoveAll(g.Path("data")); err != nil { // all of it, also what watches over it
		t.Fatal(err)
	}
	g.Start(t)
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
	g.Stop(t)
	tamper(t, g.Path("data/caddy/curfew/ledger"), "find me in the file", "Find me in the file")
	g.Begin(t)
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
