package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"curfew.dev/curfew/internal/porttest"
	"curfew.dev/curfew/token/tokentest"
)

// R1: who was signed out is refused on every way in.
func TestR1EveryWayIn(t *testing.T) {
	site := strings.Replace(everyRoute, "curfew @optional {", "curfew @optional {\n\t\ttoken_from header\n\t\ttoken_from cookie session\n", 1)
	g := start(t, global+withH2C, site)
	token := g.token("alice")
	http2 := h2c(t)
	ways := map[string]func() int{
		"bearer":   func() int { return g.get("/guarded/x", token).StatusCode },
		"optional": func() int { return g.get("/optional/x", token).StatusCode },
		"cookie":   func() int { return g.ask("GET", "/optional/x", "Cookie: session="+token).StatusCode },
		"handled":  func() int { return g.ask("HEAD", "/guarded/x", "Authorization: Bearer "+token).StatusCode },
		"sse": func() int {
			return g.ask("GET", "/guarded/x", "Authorization: Bearer "+token, "Accept: text/event-stream").StatusCode
		},
		"websocket": func() int {
			w := dial(t, g.app)
			defer w.conn.Close()
			w.say("GET /guarded/x HTTP/1.1\nHost: " + g.host() + "\nAuthorization: Bearer " + token +
				"\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n")
			a, _ := w.hear("GET")
			return a.StatusCode
		},
		"h2c": func() int {
			a, err := g.overH2C(http2, "GET", "/guarded/x", http.Header{"Authorization": {"Bearer " + token}})
			if err != nil {
				t.Fatal(err)
			}
			return a.StatusCode
		},
		"grpc": func() int {
			a, err := g.overH2C(http2, "POST", "/guarded/x", http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/grpc"}, "Te": {"trailers"}})
			if err != nil {
				t.Fatal(err)
			}
			return a.StatusCode
		},
	}
	for name, way := range ways {
		if got := way(); got != 200 {
			t.Errorf("%s before: %d", name, got)
		}
	}
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	before := g.upstream.count()
	for name, way := range ways {
		if got := way(); got != 401 {
			t.Errorf("%s after: %d", name, got)
		}
	}
	if g.upstream.count() != before {
		t.Error("the upstream was contacted")
	}
}

// child is Caddy as a process of its own, so that it can be killed.
type child struct {
	*exec.Cmd
	log *bytes.Buffer
}

// run starts this test binary as Caddy with the gateway's configuration, and
// with more open files.
func (g *gateway) run(global, sites string, files ...*os.File) *child {
	g.t.Helper()
	config, err := g.config(global, sites)
	if err != nil {
		g.t.Fatal(err)
	}
	file := filepath.Join(g.t.TempDir(), "caddy.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		g.t.Fatal(err)
	}
	c := &child{exec.Command(os.Args[0]), new(bytes.Buffer)}
	c.Env = append(os.Environ(), asCaddy+"="+file)
	c.Stderr, c.ExtraFiles = c.log, files
	if err := c.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.end(os.Kill) })
	return c
}

func (c *child) end(with os.Signal) {
	_ = c.Process.Signal(with)
	_ = c.Wait()
}

// R2: a cut survives every way to stop, from the first request that is served.
func TestR2StoppedAndStarted(t *testing.T) {
	g := prepare(t)
	cut := []string{"nobody"}
	for n, stop := range []os.Signal{syscall.SIGTERM, os.Kill, os.Kill} {
		c := g.run(global, sites)
		// From the first answer on: 503 until it is ready, and then a refusal.
		for deadline := time.Now().Add(patience); ; {
			if time.Now().After(deadline) {
				t.Fatalf("not ready: %s", c.log)
			}
			resp, err := http.DefaultClient.Do(mustGet(g.health + "/readyz"))
			if err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode == 200 {
					break
				}
			}
			for _, sub := range cut[1:] {
				req := mustGet(g.app + "/")
				req.Header.Set("Authorization", "Bearer "+g.token(sub))
				if resp, err := client.Do(req); err == nil {
					_ = resp.Body.Close()
					if resp.StatusCode != 503 && resp.StatusCode != 401 {
						t.Fatalf("%s gets %d while starting", sub, resp.StatusCode)
					}
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
		for _, sub := range cut[1:] {
			if a := g.get("/", g.token(sub)); a.StatusCode != 401 || a.problem() != "urn:curfew:signed-out" {
				t.Errorf("start %d: %s gets %d %s", n, sub, a.StatusCode, a.body)
			}
		}
		sub := fmt.Sprintf("user-%d", n)
		if a := g.get("/", g.token(sub)); a.StatusCode != 200 {
			t.Errorf("start %d: %s gets %d %s", n, sub, a.StatusCode, a.body)
		}
		g.revoke(map[string]string{"iss": g.issuer.URL, "sub": sub})
		cut = append(cut, sub)
		c.end(stop)
	}
}

// Two processes can't serve from one ledger: the second says so and ends.
func TestF6SecondProcessIsTurnedAway(t *testing.T) {
	g := start(t, global, sites)
	ports := porttest.Keep(t, 4)
	second := *g
	second.replace = g.replacing(ports)
	c := second.run(global, sites)
	err := c.Wait()
	if err == nil || !strings.Contains(c.log.String(), "another Caddy serves from") {
		t.Errorf("the second ended with %v and said %s", err, c.log)
	}
	if a := g.get("/", g.token("alice")); a.StatusCode != 200 {
		t.Errorf("the first answers %d", a.StatusCode)
	}
}

// R3: where several rules are about one credential, each of them holds.
func TestR3EverySubsetOfRules(t *testing.T) {
	g := start(t, global, sites)
	now := time.Now()
	ago := func(s int) string { return now.Add(-time.Duration(s) * time.Second).Format(time.RFC3339) }
	type rule struct {
		target func(n int) map[string]string
		mode   string
		ago    int
		cuts   bool
	}
	on := func(member, prefix string) func(int) map[string]string {
		return func(n int) map[string]string {
			m := map[string]string{"iss": g.issuer.URL, member: fmt.Sprintf("%s%d", prefix, n)}
			return m
		}
	}
	and := func(a func(int) map[string]string, member, prefix string) func(int) map[string]string {
		return func(n int) map[string]string {
			m := a(n)
			m[member] = fmt.Sprintf("%s%d", prefix, n)
			return m
		}
	}
	user := on("sub", "user")
	client := and(user, "client_id", "app")
	device := and(user, "device_id", "device")
	session := on("sid", "session")
	// The token: signed in 100 s ago, issued 30 s ago.
	dimensions := [][]rule{
		{{}, {user, "sign_in", 200, false}, {user, "sign_in", 50, true}},
		{{}, {user, "refresh", 60, false}},
		{{}, {client, "sign_in", 200, false}, {client, "sign_in", 40, true}},
		{{}, {device, "sign_in", 200, false}, {device, "sign_in", 60, true}},
		{{}, {session, "sign_in", 200, false}, {session, "refresh", 10, true}},
		{{}, {on("jti", "token"), "final", 0, true}},
	}
	var lines bytes.Buffer
	var want []int
	for n, picked := 0, make([]int, len(dimensions)); ; n++ {
		status := 200
		for d, i := range picked {
			r := dimensions[d][i]
			if r.target == nil {
				continue
			}
			body := map[string]any{"target": r.target(n), "mode": r.mode}
			if r.ago > 0 {
				body["at"] = ago(r.ago)
			}
			if r.cuts {
				status = 401
			}
			if err := json.NewEncoder(&lines).Encode(body); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, status)
		d := 0
		for ; d < len(picked); d++ {
			if picked[d]++; picked[d] < len(dimensions[d]) {
				break
			}
			picked[d] = 0
		}
		if d == len(picked) {
			break
		}
	}
	a := g.call(helpdesk, "POST", "/v1/revocations/import", lines.String(), func(r *http.Request) { r.Header.Set("Content-Type", "application/x-ndjson") })
	if a.StatusCode != 200 || strings.Contains(a.body, "urn:curfew:") {
		t.Fatalf("importing: %d %.500s", a.StatusCode, a.body)
	}
	for n, status := range want {
		token := g.token(fmt.Sprintf("user%d", n), tokentest.Claims{
			"client_id": fmt.Sprintf("app%d", n), "device_id": fmt.Sprintf("device%d", n), "sid": fmt.Sprintf("session%d", n),
			"jti": fmt.Sprintf("token%d", n), "auth_time": now.Unix() - 100, "iat": now.Unix() - 30,
		})
		if got := g.get("/", token); got.StatusCode != status {
			t.Errorf("subset %d: %d %s, want %d", n, got.StatusCode, got.body, status)
		}
	}
	t.Logf("%d subsets, %d records", len(want), bytes.Count(lines.Bytes(), []byte("\n")))
}

// R4: success is said of what is durable only. A ledger that can't be written
// any more answers with an error, and what was acknowledged before holds.
func TestR4NoSuccessWithoutTheLedger(t *testing.T) {
	g := prepare(t)
	c := g.runLimited(global, sites)
	defer c.end(os.Kill)
	g.awaitReady()
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	refused := false
	for n := range 3000 {
		began := time.Now()
		a := g.call(helpdesk, "POST", "/v1/revocations", map[string]any{
			"target": map[string]string{"iss": g.issuer.URL, "sub": fmt.Sprintf("user-%d", n)}, "reason": strings.Repeat("x", 200),
		})
		if a.StatusCode == 201 {
			continue
		}
		refused = true
		if a.StatusCode != 503 || time.Since(began) > tooLong {
			t.Errorf("a full disk: %d %s after %v", a.StatusCode, a.body, time.Since(began))
		}
		break
	}
	if !refused {
		t.Fatal("the disk did not fill: this test shows nothing")
	}
	if a := g.get("/", g.token("alice")); a.StatusCode == 200 {
		t.Errorf("the revoked gets %d", a.StatusCode)
	}
	c.end(os.Kill)
	g.run(global, sites)
	g.awaitReady()
	for _, sub := range []string{"alice", "user-0"} {
		if a := g.get("/", g.token(sub)); a.StatusCode != 401 {
			t.Errorf("after a restart %s gets %d", sub, a.StatusCode)
		}
	}
}

// runLimited starts Caddy where no file may become larger than a few MB: to a
// program that is what a full disk is.
func (g *gateway) runLimited(global, sites string) *child {
	g.t.Helper()
	g.t.Setenv(fileLimit, "1048576")
	defer os.Unsetenv(fileLimit)
	return g.run(global, sites)
}
