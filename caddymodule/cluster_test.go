package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

const (
	// staleAfter is the max_staleness of the tests' nodes: longer than a busy
	// machine keeps one from proving that it is fresh.
	staleAfter = 5 * time.Second
	// staleSoon is that of those that are to become stale.
	staleSoon = 2 * time.Second
)

// clustered is the global configuration with a ledger of a cluster.
func clustered(servers *natstest.Cluster, more string) string {
	return strings.Replace(global, "ledger local DIR", "ledger nats "+strings.Join(servers.URLs(), " ")+
		" {\n\t\t\tstream TEST\n\t\t\treplicas 1\n\t\t}\n\t\tmax_staleness "+staleAfter.String()+"\n\t\t"+more, 1)
}

// startClustered runs one server and a gateway that uses it.
func startClustered(t *testing.T, more string) (*gateway, *natstest.Cluster) {
	t.Helper()
	servers := natstest.Run(t, 1)
	return start(t, clustered(servers, more), sites), servers
}

// startToFence runs the same with a gateway that is stale soon after the server
// is gone.
func startToFence(t *testing.T, more string) (*gateway, *natstest.Cluster) {
	t.Helper()
	servers := natstest.Run(t, 1)
	return start(t, strings.Replace(clustered(servers, more), staleAfter.String(), staleSoon.String(), 1), sites), servers
}

// join runs another node of the cluster, without a gateway around it.
func join(t *testing.T, servers *natstest.Cluster, name string) *node.Node {
	t.Helper()
	dir := t.TempDir()
	n := node.New(node.Config{Name: name, Instance: "bare", Open: func() (ledger.Ledger, error) {
		return nats.Open(nats.Options{
			URLs: servers.URLs(), Stream: "TEST", Replicas: 1, Dir: dir, Node: name + "/bare", OnEmpty: local.Start,
		})
	}})
	n.Configure(node.Settings{MaxStaleness: staleAfter, Version: "v0", ConfigDigest: "other"})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the other node is ready", func() bool { return n.State() == node.Ready })
	return n
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	gatewaytest.Until(t, what, is)
}

func isCutAt(n *node.Node, issuer, sub string) bool {
	c := revocation.Credential{Issuer: issuer, Subject: sub, AuthTime: 1, IssuedAt: 1}
	c.Seal()
	var f revocation.Finding
	n.Index().Find(&c, &f)
	return f.SignIn.Through > 0
}

// nodes is what the API says of them, by state.
func (g *gateway) nodes() map[string]node.Status {
	g.t.Helper()
	var list struct{ Items []node.Status }
	req := mustGet(g.admin + "/v1/nodes")
	req.Header.Set("Authorization", "Bearer "+helpdesk)
	a := amidReload(g.t, req)
	// Instants of nodes are written, never read.
	if err := json.Unmarshal([]byte(strings.ReplaceAll(a.body, `"last_heard"`, `"heard"`)), &list); err != nil {
		g.t.Fatalf("%v: %s", err, a.body)
	}
	all := make(map[string]node.Status)
	for _, s := range list.Items {
		name, _, _ := strings.Cut(s.Node, "/")
		all[name] = s
	}
	return all
}

func (g *gateway) metric(line string) float64 {
	g.t.Helper()
	return number(grep(fetch(g.t, g.health+"/metrics"), line))
}

// health is the status of a probe.
func (g *gateway) probe(path string) int {
	g.t.Helper()
	return g.do(mustGet(g.health + path)).StatusCode
}

// A sign-out at one node is in force at the other, and the receipt says so and
// names both.
func TestTwoNodes(t *testing.T) {
	g, servers := startClustered(t, "expect_nodes 2")
	other := join(t, servers, "edge-2")
	eventually(t, "both know each other", func() bool { return g.nodes()["edge-2"].State == "ready" && len(other.Nodes()) == 2 })

	alice := g.token("alice")
	g.get("/", alice)
	began := time.Now()
	raw, _ := json.Marshal(g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"}, map[string]any{"wait": "8s"}))
	var receipt struct {
		Durability  string
		Enforcement struct {
			State      string
			EnforcedBy *time.Time `json:"enforced_by"`
			Nodes      []struct{ Node, State string }
		}
	}
	if err := json.Unmarshal(raw, &receipt); err != nil {
		t.Fatal(err)
	}
	e := receipt.Enforcement
	if e.State != "enforced" || len(e.Nodes) != 2 || e.EnforcedBy == nil || receipt.Durability != "unverified" {
		t.Errorf("the receipt is %s", raw)
	}
	if bound := e.EnforcedBy; bound != nil && (bound.Before(began) || bound.After(time.Now().Add(staleAfter))) {
		t.Errorf("the bound is %s", bound)
	}
	if a := g.get("/", alice); a.StatusCode != 401 {
		t.Errorf("alice gets %d", a.StatusCode)
	}
	if !isCutAt(other, g.issuer.URL, "alice") {
		t.Error("the other node does not refuse what the receipt says it refuses")
	}

	bob := g.token("bob")
	if a := g.get("/", bob); a.StatusCode != 200 {
		t.Fatalf("bob gets %d", a.StatusCode)
	}
	now := time.Now()
	w, err := other.Submit(t.Context(), []revocation.Record{{
		Type: revocation.Cut, Target: revocation.Target{Issuer: g.issuer.URL, Subject: "bob"}, Mode: revocation.SignIn,
		At: now.UnixMilli(), Through: now.Unix(), Keep: 3600, Source: "admin", Time: now.UnixMilli(),
	}}, ledger.Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	g.awaitStatus("/", bob, 401)
	// Its receipt is the same here, where it was not written.
	eventually(t, "the receipt of the other node's write says that both enforce it", func() bool {
		a := g.call(helpdesk, http.MethodGet, "/v1/revocations/"+revocation.Ref{Position: w.Position}.ID(revocation.Cut), nil)
		return a.StatusCode == 200 && strings.Count(a.body, `"state":"enforced"`) == 3
	})

	self := g.nodes()["edge-1"]
	if self.Version == "" || self.ConfigDigest == "" || self.Epoch != 1 || g.nodes()["edge-2"].ConfigDigest != "other" {
		t.Errorf("nodes are %+v", g.nodes())
	}
	for line, want := range map[string]float64{
		`curfew_ledger_info{epoch="1",kind="nats"}`: 1, `curfew_nodes{state="ready"}`: 2, "curfew_nodes_expected": 2, "curfew_fenced": 0,
		"curfew_max_staleness_seconds": staleAfter.Seconds(),
	} {
		if got := g.metric(line); got != want {
			t.Errorf("%s is %v, want %v", line, got, want)
		}
	}
	if fresh := time.Since(time.UnixMilli(int64(g.metric("curfew_freshness_timestamp_seconds") * 1000))); fresh < 0 || fresh > staleAfter {
		t.Errorf("fresh %s ago", fresh)
	}
	eventually(t, "the offset of the clock is known", func() bool {
		return grep(fetch(t, g.health+"/metrics"), "curfew_clock_offset_seconds") != ""
	})
	info, err := os.Stat(filepath.Join(os.Getenv("XDG_DATA_HOME"), "caddy", "curfew", "replica", "TEST-edge-1"))
	if err != nil || info.Mode().Perm() != fs.FileMode(0o700) {
		t.Errorf("the replica: %v %v", info, err)
	}
}

// A node that is cut off from the ledger refuses once it is stale, says why, and
// goes on by itself when the ledger is back.
func TestFence(t *testing.T) {
	g, servers := startToFence(t, "")
	token := g.token("alice")
	g.awaitStatus("/", token, 200)
	turns := g.metric("curfew_fence_transitions_total")
	servers.Stop(0)
	// Whoever asks later than that is refused, however late the answer is.
	for fenced := time.Now().Add(staleSoon); ; time.Sleep(10 * time.Millisecond) {
		asked := time.Now()
		if a := g.get("/", token); a.StatusCode == 503 {
			break
		} else if asked.After(fenced) {
			t.Fatalf("it gave %d to who asked %s after it was stale", a.StatusCode, asked.Sub(fenced))
		}
	}
	eventually(t, "the fence is counted", func() bool { return g.metric("curfew_fence_transitions_total") == turns+1 })
	a := g.get("/", token)
	if a.StatusCode != 503 || a.problem() != "urn:curfew:stale" || a.Header.Get("Retry-After") == "" {
		t.Errorf("fenced: %d %s", a.StatusCode, a.body)
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/readyz?exclude=fence": 200} {
		if got := g.probe(path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if s := g.nodes()["edge-1"]; s.State != "fenced" || s.Why == "" || s.Staleness < staleSoon.Seconds() {
		t.Errorf("the node says %+v", s)
	}
	if g.metric("curfew_fenced") != 1 || g.metric("curfew_ready") != 0 ||
		g.metric(`curfew_nodes{state="fenced"}`) != 1 {
		t.Errorf("metrics: %s", fetch(t, g.health+"/metrics"))
	}
	began := time.Now()
	w := g.call(helpdesk, http.MethodPost, "/v1/revocations", map[string]any{"target": map[string]string{"iss": g.issuer.URL, "sub": "bob"}})
	if w.StatusCode != 503 || w.Header.Get("Retry-After") == "" {
		t.Errorf("a write: %d %s", w.StatusCode, w.body)
	}
	if took := time.Since(began); took > tooLong {
		t.Errorf("it was refused after %s", took)
	}
	servers.Start(0)
	g.awaitStatus("/", token, 200)
	eventually(t, "the metrics and probes say that it is fenced no longer", func() bool {
		return g.metric("curfew_fenced") == 0 && g.metric("curfew_fence_transitions_total") == turns+2 && g.probe("/readyz") == 200
	})
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	g.awaitStatus("/", token, 401)
}

// on_stale allow serves by what is known, counts it, and promises no bound.
func TestOnStaleAllow(t *testing.T) {
	g, servers := startToFence(t, "on_stale allow")
	alice, bob := g.token("alice"), g.token("bob")
	receipt := g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "bob"})
	if by := receipt["enforcement"].(map[string]any)["enforced_by"]; by != nil {
		t.Errorf("the bound is %v", by)
	}
	if g.get("/", alice); g.metric("curfew_stale_admissions_total") != 0 {
		t.Error("counted while fresh")
	}
	servers.Stop(0)
	time.Sleep(staleSoon + 500*time.Millisecond)
	for token, want := range map[string]int{alice: 200, bob: 401} {
		if a := g.get("/", token); a.StatusCode != want {
			t.Errorf("stale: %d, want %d", a.StatusCode, want)
		}
	}
	if n := g.metric("curfew_stale_admissions_total"); n != 1 {
		t.Errorf("%v stale admissions", n)
	}
	if g.probe("/readyz") != 200 || g.metric("curfew_fenced") != 0 {
		t.Error("it fenced itself")
	}
}

// Reloads keep the ledger of a cluster open and the index full; one that fails
// changes nothing; what names another ledger is another gateway.
func TestReloadsOfACluster(t *testing.T) {
	g, servers := startClustered(t, "")
	alice, bob := g.token("alice"), g.token("bob")
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	instance := g.nodes()["edge-1"].Node
	same := func(after string) {
		t.Helper()
		for token, want := range map[string]int{alice: 401, bob: 200} {
			if a := g.getAmidReload("/", token); a.StatusCode != want {
				t.Errorf("after %s: %d %s, want %d", after, a.StatusCode, a.body, want)
			}
		}
		if now := g.nodes()["edge-1"].Node; now != instance {
			t.Errorf("after %s the node is %s, and was %s", after, now, instance)
		}
	}
	for n := range 3 {
		g.load(clustered(servers, fmt.Sprintf("expect_nodes %d", n+1)), sites)
		same("a reload")
	}
	if n := g.metric("curfew_nodes_expected"); n != 3 {
		t.Errorf("%v nodes are expected", n)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	digest := g.nodes()["edge-1"].ConfigDigest
	for n := range 4 {
		if g.tryLoad(clustered(servers, fmt.Sprintf("expect_nodes %d", n+7)), sites+"\nhttp://"+taken.Addr().String()+" {\n\tcurfew\n}\n") == nil {
			t.Fatal("it loaded")
		}
		same("a failed reload")
	}
	if now := g.nodes()["edge-1"].ConfigDigest; now != digest {
		t.Errorf("a failed reload left its digest: %s", now)
	}
	// Other URLs are another gateway, and its replica is in use by this one.
	moved := strings.Replace(clustered(servers, ""), "ledger nats", "ledger nats nats://localhost:1", 1)
	if err := g.tryLoad(moved, sites); err == nil || !strings.Contains(err.Error(), "those change by a restart") {
		t.Errorf("other servers: %v", err)
	}
	same("a reload with other servers")

	g.load(strings.Replace(clustered(servers, ""), "node_name edge-1", "node_name edge-9", 1), sites)
	g.awaitReady()
	if a := g.getAmidReload("/", alice); a.StatusCode != 401 {
		t.Errorf("another node of the same stream: %d %s", a.StatusCode, a.body)
	}
	g.load(strings.Replace(clustered(servers, ""), "stream TEST", "stream OTHER", 1), sites)
	g.awaitReady()
	if a := g.getAmidReload("/", alice); a.StatusCode != 200 {
		t.Errorf("another stream, which has nothing of alice: %d %s", a.StatusCode, a.body)
	}
}

// A restart reads the replica, and knows at once what it knew.
func TestRestartInACluster(t *testing.T) {
	g, servers := startClustered(t, "")
	alice := g.token("alice")
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	g.stop()
	g.load(clustered(servers, ""), sites)
	g.awaitReady()
	if a := g.get("/", alice); a.StatusCode != 401 {
		t.Errorf("after a restart alice gets %d", a.StatusCode)
	}
}

// Nodes that differ only in what must differ are configured alike.
func TestConfigDigest(t *testing.T) {
	servers := natstest.Run(t, 1)
	g := prepare(t)
	_, seed := natstest.User(t)
	digests := make(map[string]string)
	for name, config := range map[string]string{
		"one":             clustered(servers, ""),
		"another node":    strings.Replace(clustered(servers, ""), "node_name edge-1", "node_name edge-2", 1),
		"another line":    strings.Replace(clustered(servers, ""), "ledger nats", "\n\n\t\tledger nats", 1),
		"another machine": strings.Replace(clustered(servers, ""), "node_name edge-1", "node_name edge-3\n\t\ttoken_cache 32MiB", 1),
		"another role":    strings.Replace(clustered(servers, ""), "stream TEST", "credentials "+seed+"\n\t\t\tstream TEST", 1),
		"another setting": clustered(servers, "expect_nodes 9"),
		"another stream":  strings.Replace(clustered(servers, ""), "stream TEST", "stream OTHER", 1),
		"another issuer":  strings.Replace(clustered(servers, ""), "clock_skew 1s", "clock_skew 3s", 1),
	} {
		if config == clustered(servers, "") && name != "one" {
			t.Fatalf("%s is configured like the first", name)
		}
		g.load(config, sites)
		for _, s := range g.nodes() {
			digests[name] = s.ConfigDigest
		}
		g.stop()
	}
	for name, digest := range digests {
		alike := name == "one" || name == "another node" || name == "another line" || name == "another machine" || name == "another role"
		if (digest == digests["one"]) != alike || digest == "" {
			t.Errorf("%s: the digest is %q, and that of the first %q", name, digest, digests["one"])
		}
	}
}

// mute is a node that the others hear and that never says what it enforces, as if
// it were stopped in the middle.
func mute(t *testing.T, servers *natstest.Cluster, name string) {
	t.Helper()
	l, err := nats.Open(nats.Options{URLs: servers.URLs(), Stream: "TEST", Replicas: 1, Dir: t.TempDir(), Node: name + "/mute"})
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for nonce := uint64(1); ; nonce++ {
			// Out of reach for a moment is no matter: it is said again.
			_ = l.Say(ledger.Heartbeat{Node: name + "/mute", Nonce: nonce, MaxStaleness: time.Minute, State: "ready"})
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A write waits for every node for as long as its caller wants, and stands
// whatever they do.
func TestWait(t *testing.T) {
	g, servers := startClustered(t, "")
	mute(t, servers, "edge-3")
	eventually(t, "the other node is heard", func() bool { return g.nodes()["edge-3"].State == "ready" })
	target := map[string]string{"iss": g.issuer.URL, "sub": "alice"}
	const byDefault, longer = 2 * time.Second, 2500 * time.Millisecond
	quickest := time.Hour
	atOnce := func(path string) answer {
		began := time.Now()
		a := g.call(helpdesk, http.MethodPost, path, map[string]any{"target": target, "wait": "0s"})
		quickest = min(quickest, time.Since(began))
		return a
	}
	// It is in the roster when a tick has echoed it.
	eventually(t, "the other node is waited for", func() bool {
		return strings.Contains(atOnce("/v1/revocations").body, `"state":"pending"`)
	})
	block, stepUp := atOnce("/v1/blocks"), atOnce("/v1/step-ups")
	if quickest >= byDefault {
		t.Errorf("who does not want to wait waited %s", quickest)
	}
	id := func(a answer) string {
		var r struct{ ID string }
		_ = json.Unmarshal([]byte(a.body), &r)
		return r.ID
	}
	device := map[string]any{"iss": g.issuer.URL, "sub": "alice", "device_id": "d"}
	var waiting sync.WaitGroup
	for _, c := range []struct {
		method, path string
		body         map[string]any
	}{
		{"POST", "/v1/revocations", map[string]any{"target": target}},
		{"POST", "/v1/blocks", map[string]any{"target": target}},
		{"POST", "/v1/step-ups", map[string]any{"target": target}},
		{"POST", "/v1/devices/unlink", device},
		{"DELETE", "/v1/blocks/" + id(block), nil},
		{"DELETE", "/v1/step-ups/" + id(stepUp), nil},
	} {
		path, body := c.path+"?wait="+longer.String(), any(nil)
		if c.body != nil {
			path, c.body["wait"] = c.path, longer.String()
			body = c.body
		}
		waiting.Go(func() {
			began := time.Now()
			a := g.call(helpdesk, c.method, path, body)
			if took := time.Since(began); took < longer || took > tooLong {
				t.Errorf("%s %s answered after %s", c.method, c.path, took)
			}
			if a.StatusCode/100 != 2 || !strings.Contains(a.body, `"state":"pending"`) || !strings.Contains(a.body, "edge-3/mute") {
				t.Errorf("%s %s: %d %s", c.method, c.path, a.StatusCode, a.body)
			}
		})
	}
	waiting.Wait()
	began := time.Now()
	g.revoke(target)
	if took := time.Since(began); took < byDefault || took > tooLong {
		t.Errorf("by default it waited %s", took)
	}
}

// init and adopt reach a running gateway by files beside its replica.
func TestMarkersReachTheGateway(t *testing.T) {
	servers := natstest.Run(t, 1)
	g := prepare(t)
	g.load(strings.Replace(clustered(servers, ""), "on_empty start", "on_empty refuse", 1), sites)
	dir := filepath.Join(os.Getenv("XDG_DATA_HOME"), "caddy", "curfew", "replica", "TEST-edge-1")
	tell := func(marker string) {
		t.Helper()
		path := filepath.Join(dir, marker)
		writeFile(t, path, []byte("a test"))
		eventually(t, "the gateway acts on "+marker, func() bool {
			_, err := os.Stat(path)
			return os.IsNotExist(err)
		})
	}
	eventually(t, "the gateway says what it waits for", func() bool {
		s := g.nodes()["edge-1"]
		return s.State == "starting" && strings.Contains(s.Why, "caddy curfew init")
	})
	if a := g.get("/", g.token("alice")); a.StatusCode != 503 {
		t.Errorf("before init: %d", a.StatusCode)
	}
	tell(nats.MarkerInit)
	g.awaitReady()

	// The servers lose everything, and a new node begins another ledger in their
	// stream. This one refuses that; when it is adopted, it has all that this node
	// knew, at the new one too.
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	servers.Stop(0)
	if err := os.RemoveAll(servers.Dir(0)); err != nil {
		t.Fatal(err)
	}
	servers.Start(0)
	other := join(t, servers, "edge-2")
	eventually(t, "the loss is noticed", func() bool {
		s := g.nodes()["edge-1"]
		return s.State == "damaged" && strings.Contains(s.Why, "it is another stream")
	})
	if g.metric("curfew_ledger_integrity_failures_total") == 0 || g.probe("/readyz") != 503 || g.probe("/readyz?exclude=fence") != 503 {
		t.Error("metrics or probes don't tell of the damage")
	}
	tell(nats.MarkerAdopt)
	g.awaitReady()
	if s := g.nodes()["edge-1"]; s.Epoch != 2 {
		t.Errorf("adopted: %+v", s)
	}
	if a := g.get("/", g.token("alice")); a.StatusCode != 401 {
		t.Errorf("after adopt alice gets %d", a.StatusCode)
	}
	eventually(t, "the other node refuses alice", func() bool { return isCutAt(other, g.issuer.URL, "alice") })
}
