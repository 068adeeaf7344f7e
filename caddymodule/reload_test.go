package caddymodule_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"curfew.dev/curfew/token/tokentest"
)

// What was verified, what was cut and what was counted outlives a reload.
func TestReloadKeepsWhatIsKnown(t *testing.T) {
	g := start(t, global, sites)
	alice, bob := g.token("alice"), g.token("bob")
	g.get("/", alice)
	g.get("/", bob)
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	g.get("/", alice)
	count := func(line string) float64 { return number(grep(fetch(t, g.health+"/metrics"), line)) }
	const hits, admitted = `curfew_token_cache_requests_total{result="hit"}`, `curfew_decisions_total{decision="admit",policy="default"`
	before, fetches := count(admitted), g.issuer.Fetches()
	for n := range 3 {
		g.load(global, strings.Replace(sites, "curfew_health", fmt.Sprintf("curfew_health\n\theader X-Reload %d", n), 1))
		// No wait: from its first request on, the new configuration knows.
		if a := g.getAmidReload("/", alice); a.StatusCode != 401 || a.problem() != "urn:curfew:signed-out" {
			t.Errorf("alice: %d %s", a.StatusCode, a.body)
		}
		known := count(hits)
		if a := g.getAmidReload("/", bob); a.StatusCode != 200 {
			t.Errorf("bob: %d %s", a.StatusCode, a.body)
		}
		if count(hits) != known+1 {
			t.Error("bob's token was verified again")
		}
	}
	if now := count(admitted); now != before+3 {
		t.Errorf("admissions went from %v to %v", before, now)
	}
	if g.issuer.Fetches() != fetches {
		t.Error("the keys were fetched again")
	}
}

// amidReload asks where a server that goes, or that never came to be, may still
// take a connection and close it.
func amidReload(t *testing.T, req *http.Request) answer {
	t.Helper()
	var last error
	for range 5 {
		resp, err := client.Do(req)
		if last = err; err != nil {
			continue
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if last = err; err == nil {
			return answer{resp, string(b)}
		}
	}
	t.Fatal(last)
	return answer{}
}

// getAmidReload asks the guarded site with a token.
func (g *gateway) getAmidReload(path, token string) answer {
	g.t.Helper()
	req := mustGet(g.app + path)
	req.Header.Set("Authorization", "Bearer "+token)
	return amidReload(g.t, req)
}

// A configuration that fails while it starts leaves no trace, whichever app
// started before the one that could not.
func TestFailedStartChangesNothing(t *testing.T) {
	g := start(t, global, sites)
	token := g.token("alice")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	info := func() string { return grep(fetch(t, g.health+"/metrics"), "curfew_config_info") }
	before := info()
	for n := range 8 { // Caddy starts apps in no order
		err := g.tryLoad(strings.Replace(global, "policy fresh", fmt.Sprintf("token_cache %dMiB\n\t\tpolicy fresh", n+2), 1),
			sites+"\nhttp://"+taken.Addr().String()+" {\n\tcurfew\n}\n")
		if err == nil {
			t.Fatal("it loaded")
		}
		if now := info(); now != before {
			t.Fatalf("the configuration in use was %s and is %s", before, now)
		}
		if a := g.getAmidReload("/", token); a.StatusCode != 200 {
			t.Fatalf("got %d %s", a.StatusCode, a.body)
		}
	}
}

// A ledger that a failed configuration began is gone with it: kept, it would
// let in whom the one in use has cut since. One that is in use stays, and so
// does what the end of a process leaves.
func TestFailedStartLeavesNoLedger(t *testing.T) {
	g := start(t, global, sites)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	elsewhere := strings.NewReplacer("ledger local DIR", "ledger local "+dir, "on_empty start", "on_empty sign_out_all").Replace(global)
	broken := sites + "\nhttp://" + taken.Addr().String() + " {\n\tcurfew\n}\n"
	known := func() int {
		files, err := os.ReadDir(filepath.Join(os.Getenv("XDG_DATA_HOME"), "caddy", "curfew", "seen"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	before := known()
	for range 8 { // Caddy starts apps in no order
		for _, global := range []string{elsewhere, global} {
			if err := g.tryLoad(global, broken); err == nil {
				t.Fatal("it loaded")
			}
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 || known() != before {
			t.Fatalf("it left %v, %v, and is remembered", left, err)
		}
	}
	if left, err := os.ReadDir(g.dir); err != nil || len(left) != 4 { // two of the ledger, the key, and what names people
		t.Fatalf("of the ledger in use there is %v, %v", left, err)
	}
	now := time.Now().Unix()
	token := g.token("alice", tokentest.Claims{"iat": now, "auth_time": now})
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	g.load(elsewhere, sites)
	g.awaitReady()
	if a := g.getAmidReload("/", token); a.StatusCode != 401 {
		t.Errorf("who was cut before the ledger changed gets %d %s", a.StatusCode, a.body)
	}
	g.load(elsewhere, sites+"\n") // the pool keeps it
	if left, err := os.ReadDir(dir); err != nil || len(left) != 4 {
		t.Errorf("of the ledger in use there is %v, %v", left, err)
	}
}

// What was revoked stays so when the configuration goes over to an older copy
// of the ledger in another directory, by a reload or by a start.
func TestOlderCopyElsewhere(t *testing.T) {
	g := start(t, global, sites)
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "bob"})
	g.stop()
	older := t.TempDir()
	if err := os.CopyFS(older, os.DirFS(g.dir)); err != nil {
		t.Fatal(err)
	}
	g.load(global, sites)
	g.awaitReady()
	token := g.token("alice")
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	elsewhere := strings.ReplaceAll(global, "ledger local DIR", "ledger local "+older)
	if err := g.tryLoad(elsewhere, sites); err == nil || !strings.Contains(err.Error(), "a copy of it is open") {
		t.Errorf("reloading: %v", err)
	}
	if a := g.getAmidReload("/", token); a.StatusCode != 401 {
		t.Errorf("after the reload alice gets %d %s", a.StatusCode, a.body)
	}
	g.stop()
	g.load(elsewhere, sites)
	if a := g.get("/", token); a.StatusCode != 503 {
		t.Errorf("after the start alice gets %d %s", a.StatusCode, a.body)
	}
}

// F-6: reloads one after the other, under requests and revocations: no request
// is answered with a 5xx, nobody who was cut is ever let in, nothing that was
// acknowledged is lost.
func TestF6ReloadsUnderLoad(t *testing.T) {
	g := start(t, global, sites)
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "mallory"})
	good, bad := g.token("alice"), g.token("mallory")
	var (
		stop     = make(chan struct{})
		load     sync.WaitGroup
		requests atomic.Int64
		mu       sync.Mutex
		cut      []string
	)
	// What a client sees of a connection that the old server closes is a
	// network error, not an answer.
	ask := func(method, url, token, body string) int {
		req, _ := http.NewRequest(method, url, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := client.Do(req)
		if err != nil {
			var closed *net.OpError
			if !errors.As(err, &closed) && !strings.Contains(err.Error(), "EOF") {
				t.Errorf("asking: %v", err)
			}
			return 0
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	forever := func(f func(n int)) {
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					f(n)
					requests.Add(1)
				}
			}
		})
	}
	for token, want := range map[string]int{good: 200, bad: 401} {
		forever(func(int) {
			if got := ask("GET", g.app+"/", token, ""); got != want && got != 0 {
				t.Errorf("got %d, want %d", got, want)
			}
		})
	}
	forever(func(n int) {
		sub := fmt.Sprintf("user-%d", n)
		body := fmt.Sprintf(`{"target":{"iss":%q,"sub":%q}}`, g.issuer.URL, sub)
		switch got := ask("POST", g.admin+"/v1/revocations", helpdesk, body); got {
		case 201:
			mu.Lock()
			cut = append(cut, sub)
			mu.Unlock()
			if got := ask("GET", g.app+"/", g.token(sub), ""); got != 401 && got != 0 {
				t.Errorf("%s was cut and gets %d", sub, got)
			}
		case 0:
		default:
			t.Errorf("revoking: %d", got)
		}
		time.Sleep(5 * time.Millisecond)
	})
	cuts := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(cut)
	}
	for n := range howMany(30, 200) {
		g.load(global, strings.Replace(sites, "curfew_health", fmt.Sprintf("curfew_health\n\theader X-Reload %d", n), 1))
		if n%10 == 0 {
			// On one core a server may be gone before it has answered anybody.
			before := cuts()
			eventually(t, "somebody is cut between reloads", func() bool { return cuts() > before })
		}
	}
	close(stop)
	load.Wait()
	for _, sub := range cut {
		if a := g.get("/", g.token(sub)); a.StatusCode != 401 {
			t.Errorf("%s was cut and gets %d", sub, a.StatusCode)
		}
	}
	if len(cut) == 0 {
		t.Error("nothing was cut: this test shows little")
	}
	t.Logf("%d requests, %d cuts", requests.Load(), len(cut))
}

// Validating a configuration touches neither network nor ledger, and nothing of
// the one that runs.
func TestValidateTouchesNothing(t *testing.T) {
	g := prepare(t)
	config, err := g.config(global, sites)
	if err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		var c caddy.Config
		if err := json.Unmarshal(config, &c); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&c); err != nil {
			t.Fatal(err)
		}
	}
	check()
	if files, _ := os.ReadDir(g.dir); len(files) > 0 || g.issuer.Fetches() > 0 {
		t.Errorf("validating made %v and fetched keys %d times", files, g.issuer.Fetches())
	}
	g.load(global, sites)
	g.awaitReady()
	token := g.token("alice")
	fetches := g.issuer.Fetches()
	written, err := os.ReadFile(filepath.Join(g.dir, "position"))
	if err != nil {
		t.Fatal(err)
	}
	check()
	again, err := os.ReadFile(filepath.Join(g.dir, "position"))
	if err != nil || string(again) != string(written) || g.issuer.Fetches() != fetches {
		t.Errorf("validating beside a running gateway touched something: %v", err)
	}
	if a := g.get("/", token); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}
