package caddymodule_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"curfew.dev/curfew/token/tokentest"
)

// All open requests of a user end at the sign-out, on both sides. The requests
// of other users go on.
func TestWhatIsOpenEnds(t *testing.T) {
	g := startStreaming(t, "")
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			alice, bob := "alice-"+t.Name(), "bob-"+t.Name()
			alices, bobs := p.open(t, g, alice), p.open(t, g, bob)
			for _, s := range []*session{alices, bobs} {
				if err := s.alive(); err != nil {
					t.Fatalf("it does not work: %v", err)
				}
			}
			if n := g.preview(alice); n != 1 {
				t.Errorf("a preview counts %d live requests", n)
			}
			began := time.Now()
			receipt := g.revoke(map[string]string{"iss": g.issuer.URL, "sub": alice})
			if n := cutBy(receipt); n != 1 {
				t.Errorf("the receipt counts %d live requests", n)
			}
			g.awaitLive(alice, 0) // although she reads nothing
			if !p.local {
				g.streams.awaitEnd(t, alice)
			}
			if got := alices.end(t); got != p.ends {
				t.Errorf("alice's ended with %q, want %q", got, p.ends)
			}
			if took := time.Since(began); took > tooLong {
				t.Errorf("it took %v", took)
			}
			if err := bobs.alive(); err != nil {
				t.Errorf("bob's ended: %v", err)
			}
			if a, b := g.again(alices), g.again(bobs); a != 401 || b != 200 {
				t.Errorf("alice's token gets %d, bob's %d: the upstream must not be blamed", a, b)
			}
			bobs.close()
		})
	}
	g.awaitNoneLive()
	g.expectMetric(fmt.Sprintf(`curfew_live_requests_cut_total{reason="signed-out"} %d`, len(protocols)))
}

// Records that are written after a reload also end connections that were opened
// before it.
func TestReloadKeepsHold(t *testing.T) {
	g := startStreaming(t, "")
	sse, ws := openSSE(1)(t, g, "alice"), openWebSocket(t, g, "alice")
	g.loadStreaming("header X-Reloaded yes")
	for _, s := range []*session{sse, ws} {
		if err := s.alive(); err != nil {
			t.Fatalf("it did not survive the reload: %v", err)
		}
	}
	if n := cutBy(g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})); n != 2 {
		t.Errorf("%d were cut", n)
	}
	if got := sse.end(t); got != "aborted" {
		t.Errorf("the event stream ended with %q", got)
	}
	if got := ws.end(t); got != "1008" {
		t.Errorf("the WebSocket ended with %q", got)
	}
	g.awaitNoneLive()
}

// Blocks and step-ups end exactly the requests that they refuse.
func TestWhatElseCuts(t *testing.T) {
	g := startStreaming(t, "")
	for _, c := range []struct {
		name, path string
		body       map[string]any
		cut        int
		ends       string
	}{
		{"block", "/v1/blocks", nil, 1, "aborted"},
		{"step-up everywhere", "/v1/step-ups", map[string]any{"routes": "all"}, 1, "aborted"},
		{"step-up elsewhere", "/v1/step-ups", map[string]any{"routes": "sensitive"}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			user := t.Name()
			s := openSSE(2)(t, g, user)
			body := map[string]any{"target": map[string]string{"iss": g.issuer.URL, "sub": user}}
			for k, v := range c.body {
				body[k] = v
			}
			a := g.call(helpdesk, http.MethodPost, c.path, body)
			var receipt map[string]any
			if err := json.Unmarshal([]byte(a.body), &receipt); err != nil || a.StatusCode != 201 {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			if n := cutBy(receipt); n != c.cut {
				t.Errorf("%d were cut, want %d", n, c.cut)
			}
			if c.cut == 0 {
				if err := s.alive(); err != nil {
					t.Error(err)
				}
				s.close()
				return
			}
			if got := s.end(t); got != c.ends {
				t.Errorf("it ended with %q", got)
			}
		})
	}
	// An exempt client's requests go on.
	s := openSSE(1)(t, g, "console", tokentest.Claims{"client_id": "xbox-console"})
	if n := cutBy(g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "console"})); n != 0 {
		t.Errorf("%d of an exempt client were cut", n)
	}
	if err := s.alive(); err != nil {
		t.Error(err)
	}
	s.close()
}

// A request that passes two guards is registered once, and both guards judge
// it.
func TestStackedGuardsRegisterOnce(t *testing.T) {
	g := startStreaming(t, "@sensitive path /sse\n\tcurfew @sensitive {\n\t\tsensitive\n\t}")
	s := openSSE(1)(t, g, "alice")
	if n := g.preview("alice"); n != 1 {
		t.Errorf("%d live requests", n)
	}
	a := g.call(helpdesk, http.MethodPost, "/v1/step-ups", map[string]any{
		"target": map[string]string{"iss": g.issuer.URL, "sub": "alice"}, "routes": "sensitive",
	})
	if a.StatusCode != 201 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if got := s.end(t); got != "aborted" {
		t.Errorf("it ended with %q", got)
	}
	g.awaitNoneLive()
}

// The requirements of every guard on the route keep counting, also those in the
// middle.
func TestTheGuardInTheMiddleCounts(t *testing.T) {
	g := startStreaming(t, "@sensitive path /sse\n\tcurfew @sensitive {\n\t\tsensitive\n\t}\n"+
		"\t@last path /sse\n\tcurfew @last")
	s := openSSE(1)(t, g, "alice")
	a := g.call(helpdesk, http.MethodPost, "/v1/step-ups", map[string]any{
		"target": map[string]string{"iss": g.issuer.URL, "sub": "alice"}, "routes": "sensitive",
	})
	if a.StatusCode != 201 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if got := s.end(t); got != "aborted" {
		t.Errorf("it ended with %q", got)
	}
	g.awaitNoneLive()
}

// A dry run in the middle ends no request.
func TestADryRunInTheMiddleDoesNotCount(t *testing.T) {
	g := startStreaming(t, "@sensitive path /sse\n\tcurfew @sensitive {\n\t\tsensitive\n\t\tdry_run\n\t}\n"+
		"\t@last path /sse\n\tcurfew @last")
	openSSE(1)(t, g, "alice")
	a := g.call(helpdesk, http.MethodPost, "/v1/step-ups", map[string]any{
		"target": map[string]string{"iss": g.issuer.URL, "sub": "alice"}, "routes": "sensitive",
	})
	if a.StatusCode != 201 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if n := g.preview("alice"); n != 1 {
		t.Errorf("%d live requests after a step-up that no enforcing guard asks for", n)
	}
}

// A connection ends with its token, or at its largest age.
func TestConnectionsEndInTime(t *testing.T) {
	for _, c := range []struct {
		option, reason string
		expiresIn      time.Duration // long enough to open the connection
		least          time.Duration
	}{
		{"connection_expiry enforce", "expired", 4 * time.Second, 3 * time.Second},
		{"connection_expiry grace 1s", "expired", 3 * time.Second, 3 * time.Second},
		{"max_connection_age 2s", "max-connection-age", time.Hour, 2 * time.Second},
	} {
		t.Run(c.option, func(t *testing.T) {
			g := startStreaming(t, "", c.option)
			began := time.Now()
			s := openSSE(1)(t, g, "alice", tokentest.Claims{"exp": began.Add(c.expiresIn).Unix()})
			got := s.end(t)
			if took := time.Since(began); got != "aborted" || took < c.least || took > tooLong {
				t.Errorf("it ended with %q after %v", got, took)
			}
			g.awaitNoneLive()
			g.expectMetric(fmt.Sprintf("curfew_live_requests_cut_total{reason=%q} 1", c.reason))
		})
	}
}

// The access log names a request that was cut, and the reason.
func TestCutsAreLogged(t *testing.T) {
	logs := filepath.Join(t.TempDir(), "log.json")
	g := startStreaming(t, "log {\n\t\toutput file "+logs+" {\n\t\t\troll_disabled\n\t\t}\n\t}")
	for _, p := range protocols {
		alice := strings.ReplaceAll("alice "+p.name, " ", "-")
		s := p.open(t, g, alice)
		if err := s.alive(); err != nil {
			t.Fatalf("%s does not work: %v", p.name, err)
		}
		receipt := g.revoke(map[string]string{"iss": g.issuer.URL, "sub": alice})
		s.end(t)
		s.close()
		said := fmt.Sprintf(`"curfew":{"decision":"cut","reason":"signed-out","policy":"default","issuer":%q,"client":"web","revocation_id":%q`, g.issuer.URL, receipt["id"])
		eventually(t, p.name+" is logged as cut", func() bool {
			for line := range strings.Lines(readFile(t, logs)) {
				if strings.Contains(line, "http.log.access") && strings.Contains(line, said) {
					return true
				}
			}
			return false
		})
	}
}

// A configured close code means that the session has ended, and nothing else.
func TestCloseCode(t *testing.T) {
	open := []func(*testing.T, *streaming, string, ...tokentest.Claims) *session{openWebSocket, openWebSocketOverHTTP2, openWebSocketOverHTTP3}
	t.Run("signed out", func(t *testing.T) {
		g := startStreaming(t, "", "websocket_close_code 4401")
		var sessions []*session
		for _, o := range open {
			sessions = append(sessions, o(t, g, "alice"))
		}
		g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
		for _, s := range sessions {
			if got := s.end(t); got != "4401" {
				t.Error(got)
			}
		}
	})
	t.Run("old", func(t *testing.T) {
		g := startStreaming(t, "", "websocket_close_code 4401", "max_connection_age 3s")
		for _, o := range open {
			if got := o(t, g, "alice").end(t); got != "1008" {
				t.Error(got)
			}
		}
	})
}

// preview counts the live requests of a user.
func (g *streaming) preview(sub string) int {
	g.t.Helper()
	a := g.call(helpdesk, http.MethodPost, "/v1/revocations/preview", map[string]any{"target": map[string]string{"iss": g.issuer.URL, "sub": sub}})
	var p struct {
		LiveRequests int `json:"live_requests"`
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.StatusCode != 200 {
		g.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	return p.LiveRequests
}

// awaitLive waits until a user has this many live requests.
func (g *streaming) awaitLive(sub string, want int) {
	g.t.Helper()
	n := -1
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if n = g.preview(sub); n == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.t.Errorf("%s has %d live requests, want %d", sub, n, want)
}

func cutBy(receipt map[string]any) int {
	n, _ := receipt["enforcement"].(map[string]any)["live_requests_cut"].(float64)
	return int(n)
}

// A guarded error route registers the request a second time, while other
// goroutines may still read the first registration.
func TestErrorRoutesAreLiveAnew(t *testing.T) {
	g := startStreaming(t, `
	handle /broken/* {
		error 503
	}
	handle_errors {
		curfew
		rewrite * /sse
		reverse_proxy STREAMS
	}`)
	for i := range 8 {
		alice := fmt.Sprintf("alice-%d", i)
		s := openBody(t, g, 1, "/broken/1", alice)
		if err := s.alive(); err != nil {
			t.Fatalf("it does not work: %v", err)
		}
		if n := cutBy(g.revoke(map[string]string{"iss": g.issuer.URL, "sub": alice})); n != 1 {
			t.Errorf("%d were cut, want the one", n)
		}
		if got := s.end(t); got != "aborted" {
			t.Errorf("it ended with %q", got)
		}
	}
	g.awaitNoneLive()
}

// again sends another request with a session's token.
func (g *streaming) again(s *session) int { return g.get("/hello", s.token).StatusCode }

func (g *streaming) metrics() string { return g.do(mustGet(g.health + "/metrics")).body }

func mustGet(url string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	return r
}

func (g *streaming) expectMetric(line string) {
	g.t.Helper()
	if !strings.Contains(g.metrics(), line+"\n") {
		g.t.Errorf("no metric %s", line)
	}
}

// awaitNoneLive waits until every request has left the registry.
func (g *streaming) awaitNoneLive() {
	g.t.Helper()
	var left []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		left = nil
		for line := range strings.Lines(g.metrics()) {
			if strings.HasPrefix(line, "curfew_live_requests{") && !strings.HasSuffix(line, " 0\n") {
				left = append(left, line)
			}
		}
		if left == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.t.Errorf("still live: %q", left)
}

// openSSE opens an event stream over a version of HTTP.
func openSSE(version int) func(*testing.T, *streaming, string, ...tokentest.Claims) *session {
	return func(t *testing.T, g *streaming, user string, changes ...tokentest.Claims) *session {
		return openBody(t, g, version, "/sse", user, changes...)
	}
}

// openBody opens a response that goes on and on.
func openBody(t *testing.T, g *streaming, version int, path, user string, changes ...tokentest.Claims) *session {
	t.Helper()
	s := &session{token: g.token(user, changes...)}
	r := g.request(t, version, http.MethodGet, path, s.token, nil)
	resp, err := g.client(t, version).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.ProtoMajor != version {
		t.Fatalf("%s %s", resp.Proto, resp.Status)
	}
	body := bufio.NewReader(resp.Body)
	s.close = func() { _ = resp.Body.Close() }
	t.Cleanup(s.close)
	s.alive = func() error {
		_, err := io.ReadFull(body, make([]byte, 10))
		return err
	}
	s.wait = func() string {
		if _, err := io.Copy(io.Discard, body); err != nil {
			return "aborted"
		}
		return "complete"
	}
	return s
}

// openWebSocket opens one over HTTP/1.1.
func openWebSocket(t *testing.T, g *streaming, user string, changes ...tokentest.Claims) *session {
	t.Helper()
	s := &session{token: g.token(user, changes...)}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, g.app+"/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + s.token}}})
	if err != nil {
		t.Fatal(err)
	}
	s.close = func() { _ = c.CloseNow() }
	t.Cleanup(s.close)
	s.alive = func() error {
		if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			return err
		}
		_, b, err := c.Read(t.Context())
		if err == nil && string(b) != "hello" {
			err = fmt.Errorf("echoed %q", b)
		}
		return err
	}
	s.wait = func() string {
		_, _, err := c.Read(context.Background())
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			return fmt.Sprint(int(closed.Code))
		}
		return fmt.Sprint(err)
	}
	return s
}
