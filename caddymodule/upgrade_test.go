package caddymodule_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"curfew.dev/curfew/token/tokentest"
)

// switching is an upstream that answers every request with 101: for the
// protocol that was asked for, or for h2c. Then it sends back what it gets.
type switching struct {
	net.Listener
	mu    sync.Mutex
	asked []http.Header
}

func startSwitching(t *testing.T) *switching {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &switching{Listener: l}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	return s
}

func (s *switching) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, r.Header)
	s.mu.Unlock()
	to := r.Header.Get("Upgrade")
	if to == "" {
		to = "h2c"
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", to)
	_, _ = io.Copy(conn, in)
}

func (s *switching) last(t *testing.T) http.Header {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) == 0 {
		t.Fatal("the upstream was not asked")
	}
	return s.asked[len(s.asked)-1]
}

// tunnel asks to upgrade and reports the status, and whether what is sent after
// a 101 comes back.
func (g *gateway) tunnel(path string, lines ...string) (status int, open bool) {
	g.t.Helper()
	w := dial(g.t, g.app)
	defer w.conn.Close()
	w.say("GET " + path + " HTTP/1.1\nHost: " + g.host() + "\n" + strings.Join(append(lines, ""), "\n") + "\n")
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return resp.StatusCode, false
	}
	w.say("through")
	got := make([]byte, len("through"))
	_, err = io.ReadFull(w.in, got)
	return resp.StatusCode, err == nil && string(got) == "through"
}

// everyWayBeside is a server whose guard some routes never meet.
const everyWayBeside = `
http://127.0.0.1:APPPORT {
	handle /beside/* {
		reverse_proxy SWITCHING
	}
	handle /named/* {
		invoke beside
	}
	handle /nested/* {
		route {
			handle {
				reverse_proxy SWITCHING
			}
		}
	}
	handle /failed/* {
		error 404
	}
	handle {
		@guarded path /guarded/* /optional/*
		curfew @guarded {
			optional
			OPTIONS
		}
		reverse_proxy SWITCHING
	}
	handle_errors {
		reverse_proxy SWITCHING
	}
}
http://localhost:APPPORT {
	reverse_proxy SWITCHING
}
&(beside) {
	reverse_proxy SWITCHING
}
http://127.0.0.1:HEALTHPORT {
	curfew_health
}
`

var pathsBeside = []string{"/beside/x", "/named/x", "/nested/x", "/failed/x", "/public/x", "/optional/x"}

func startBeside(t *testing.T, sites string, options ...string) (*gateway, *switching) {
	t.Helper()
	s := startSwitching(t)
	sites = strings.NewReplacer("SWITCHING", s.Addr().String(), "OPTIONS", strings.Join(options, "\n")).Replace(sites)
	g := prepare(t)
	g.load(global, sites)
	g.awaitReady()
	return g, s
}

// isUnasked reports whether the status is that of a request whose upstream
// switched protocols unasked. An error page that fails leaves the status of the
// error.
func isUnasked(status int, path string) bool {
	return status == http.StatusBadGateway || status == http.StatusNotFound && strings.HasPrefix(path, "/fail")
}

// An upgrade to a protocol that carries requests of its own would take them
// past every guard.
func TestNoUpgradeGoesAroundAGuard(t *testing.T) {
	g, s := startBeside(t, everyWayBeside)
	good := "Authorization: Bearer " + g.token("alice")
	for _, path := range append(pathsBeside, "/guarded/x") {
		for name, lines := range map[string][]string{
			"h2c":              {"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"},
			"upper case":       {"CONNECTION: UPGRADE, HTTP2-SETTINGS", "UPGRADE: H2C", "HTTP2-SETTINGS: AAMAAABkAAQAAP__"},
			"another HTTP":     {"Connection: Upgrade", "Upgrade: HTTP/2.0"},
			"TLS":              {"Connection: upgrade", "Upgrade: TLS/1.2, HTTP/1.1"},
			"unknown":          {"Connection: keep-alive, upgrade", "Upgrade: anything"},
			"beside websocket": {"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c, nothing", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"},
			"none":             {},
			"of another host":  {"Host: localhost", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"},
		} {
			if name == "of another host" {
				lines[0] = "Host: localhost:" + g.port
			}
			t.Run(path+" "+name, func(t *testing.T) {
				a := g.askRaw(path, append(lines, good)...)
				if !isUnasked(a, path) {
					t.Errorf("got %d, want 502", a)
				}
				got := s.last(t)
				for _, name := range []string{"Upgrade", "Http2-Settings"} {
					if got[name] != nil {
						t.Errorf("the upstream got %s: %q", name, got[name])
					}
				}
			})
		}
	}
}

// askRaw is the status of a request whose Host is among the lines, or ours.
func (g *gateway) askRaw(path string, lines ...string) int {
	g.t.Helper()
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "Host:") {
		lines = append([]string{"Host: " + g.host()}, lines...)
	}
	w := dial(g.t, g.app)
	defer w.conn.Close()
	w.say("GET " + path + " HTTP/1.1\n" + strings.Join(append(lines, ""), "\n") + "\n")
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestWebSocketsPassOnEveryRoute(t *testing.T) {
	g, s := startBeside(t, everyWayBeside)
	for _, path := range pathsBeside {
		for _, lines := range [][]string{
			{"Connection: Upgrade", "Upgrade: websocket"},
			{"Connection: keep-alive, Upgrade", "Upgrade: WebSocket"},
			{"Connection: Upgrade", "Upgrade: h2c, websocket", "HTTP2-Settings: AAMAAABkAAQAAP__"},
		} {
			if status, open := g.tunnel(path, lines...); status != http.StatusSwitchingProtocols || !open {
				t.Errorf("%s %q: %d, open %v", path, lines, status, open)
			}
			if got := s.last(t); got["Http2-Settings"] != nil {
				t.Errorf("%s %q: the upstream got HTTP2-Settings", path, lines)
			}
		}
	}
}

func TestUpgradeNamesTheProtocolsThatPass(t *testing.T) {
	g, _ := startBeside(t, everyWayBeside, "upgrade chat/2 h2c")
	for _, c := range []struct {
		upgrade string
		open    bool
	}{{"chat/2", true}, {"CHAT/2", true}, {"h2c", true}, {"chat", false}, {"chat/1", false}, {"websocket", false}} {
		for _, path := range pathsBeside {
			if status, open := g.tunnel(path, "Connection: Upgrade", "Upgrade: "+c.upgrade); open != c.open || !open && !isUnasked(status, path) {
				t.Errorf("%s %s: got %d, open %v", path, c.upgrade, status, open)
			}
		}
	}
}

// A guard holds to its own names, whatever another of the same server lets pass.
func TestAGuardIsNotRelaxedByTheUpgradesOfAnother(t *testing.T) {
	sites := strings.Replace(everyWayBeside, "reverse_proxy SWITCHING\n\t}\n\thandle_errors", `@chat path /guarded/chat
		curfew @chat {
			optional
			upgrade chat
		}
		reverse_proxy SWITCHING
	}
	handle_errors`, 1)
	g, _ := startBeside(t, sites)
	for path, want := range map[string]int{"/guarded/chat": 502, "/guarded/x": 502, "/public/x": 101} {
		if status, _ := g.tunnel(path, "Connection: Upgrade", "Upgrade: chat"); status != want {
			t.Errorf("%s: got %d, want %d", path, status, want)
		}
	}
}

// The places where a server's only guard may be, in JSON: every other route of
// the server is covered all the same, or the configuration is refused.
func TestEveryRouteOfAServerWithAGuardIsCovered(t *testing.T) {
	upstream := `{"handler": "reverse_proxy", "upstreams": [{"dial": "SWITCHING"}]}`
	guard := `{"handler": "curfew", "optional": true}`
	subroutes := func(routes ...string) string {
		return `{"handler": "subroute", "routes": [` + strings.Join(routes, ",") + `]}`
	}
	sub := func(handlers ...string) string { return subroutes(`{"handle": [` + strings.Join(handlers, ",") + `]}`) }
	at := func(path string, handlers ...string) string {
		return `{"match": [{"path": ["` + path + `"]}], "handle": [` + strings.Join(handlers, ",") + `], "terminal": true}`
	}
	server := func(routes, rest string) string { return `"routes": [` + routes + `]` + rest }
	failing := at("/fails", `{"handler": "error", "status_code": 404}`)
	for _, c := range []struct {
		name, server string
		paths        []string
		refused      string
	}{
		{"first", server(at("/guarded", guard, upstream)+","+at("/public", upstream), ""), []string{"/guarded", "/public"}, ""},
		{"last", server(at("/public", upstream)+","+at("/sub", sub(upstream))+","+at("/guarded", guard, upstream), ""), []string{"/public", "/sub", "/guarded"}, ""},
		{"behind", server(at("/*", subroutes(at("/both", upstream), at("/guarded", guard, upstream))), ""), []string{"/both", "/guarded"}, ""},
		{"nested", server(at("/public", sub(sub(upstream)))+","+at("/guarded", sub(sub(guard, upstream))), ""), []string{"/public", "/guarded"}, ""},
		{
			"in a subroute's errors", server(at("/fails", `{"handler": "subroute", "routes": [`+failing+`], "errors": {"routes": [{"handle": [`+guard+","+upstream+`]}]}}`)+","+at("/public", upstream), ""),
			[]string{"/fails", "/public"},
			"",
		},
		{
			"with errors", server(at("/guarded", guard, upstream)+","+failing, `, "errors": {"routes": [{"handle": [`+upstream+`]}]}`),
			[]string{"/guarded", "/fails"},
			"",
		},
		{
			"in errors", server(failing+","+at("/public", sub(upstream)), `, "errors": {"routes": [`+at("/other", upstream)+`,{"handle": [`+guard+","+upstream+`]}]}`),
			[]string{"/fails", "/public"},
			"",
		},
		{
			"in a named route", server(at("/named", `{"handler": "invoke", "name": "n"}`)+","+at("/public", sub(upstream)), `, "named_routes": {"n": {"handle": [`+guard+","+upstream+`]}}`),
			[]string{"/named", "/public"},
			"",
		},
		{
			"in one of several named routes",
			server(at("/named", `{"handler": "invoke", "name": "n"}`)+","+at("/a", `{"handler": "invoke", "name": "a"}`)+","+at("/z", `{"handler": "invoke", "name": "z"}`),
				`, "named_routes": {"a": {"handle": [`+upstream+`]}, "n": {"handle": [`+guard+","+upstream+`]}, "z": {"handle": [`+upstream+`]}}`),
			[]string{"/named", "/a", "/z"},
			"",
		},
		{
			"in errors, beside named routes", server(failing+","+at("/a", `{"handler": "invoke", "name": "a"}`),
				`, "errors": {"routes": [{"handle": [`+guard+","+upstream+`]}]}, "named_routes": {"a": {"handle": [`+upstream+`]}}`),
			[]string{"/fails", "/a"},
			"",
		},
		{
			"in errors, beside what can't be covered", server(failing+","+at("/public", upstream), `, "errors": {"routes": [{"handle": [`+guard+","+upstream+`]}]}`),
			nil, "its route 1 goes to reverse_proxy beside them",
		},
		{
			"in a named route, beside what can't be covered", server(at("/named", `{"handler": "invoke", "name": "n"}`)+","+at("/public", upstream), `, "named_routes": {"n": {"handle": [`+guard+","+upstream+`]}}`),
			nil, "put that into `handle",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startSwitching(t)
			g := prepare(t)
			adapted, err := g.config(global, strings.ReplaceAll(sites, "UPSTREAM", s.Addr().String()))
			if err != nil {
				t.Fatal(err)
			}
			var config map[string]any
			if err := json.Unmarshal(adapted, &config); err != nil {
				t.Fatal(err)
			}
			servers := config["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any)
			for name, one := range servers {
				listen := one.(map[string]any)["listen"].([]any)[0].(string)
				if strings.HasSuffix(listen, ":"+g.port) {
					servers[name] = json.RawMessage(`{"listen": ["127.0.0.1:` + g.port + `"], "automatic_https": {"disable": true}, ` +
						strings.ReplaceAll(c.server, "SWITCHING", s.Addr().String()) + `}`)
				}
			}
			text, err := json.Marshal(config)
			if err != nil {
				t.Fatal(err)
			}
			err = caddy.Load(text, true)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("got %v, want %q", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			g.awaitReady()
			for _, path := range c.paths {
				if status, _ := g.tunnel(path, "Connection: Upgrade", "Upgrade: h2c"); !isUnasked(status, path) {
					t.Errorf("%s: h2c got %d, want 502", path, status)
				}
				if status, open := g.tunnel(path, "Connection: Upgrade, Curfew-Subject", "Upgrade: websocket", "Curfew-Subject: root"); status != 101 || !open {
					t.Errorf("%s: websocket got %d, open %v", path, status, open)
				}
				if got := s.last(t); got["Curfew-Subject"] != nil {
					t.Errorf("%s: a forged header arrived", path)
				}
			}
		})
	}
}

// Caddy answers some requests itself before any route has seen them, and gives
// them to the routes for errors.
func TestForgedHeadersDontReachErrorPagesOfRequestsThatNoRouteSaw(t *testing.T) {
	g := start(t, global, strings.Replace(everyRoute, "http://127.0.0.1:APPPORT", "http://:APPPORT", 1))
	before := g.upstream.count()
	g.askRaw("/public/x", "Host: ...", "Curfew-Subject: root", "X-User-Email: root@example.com", "Connection: close")
	if g.upstream.count() != before+1 {
		t.Fatal("the error page was not asked for")
	}
	for _, name := range []string{"Curfew-Subject", "X-User-Email"} {
		if got := g.upstream.header(name); got != nil {
			t.Errorf("%s arrived: %q", name, got)
		}
	}
}

// An extended CONNECT is an upgrade of HTTP/2 and 3.
func TestAnExtendedConnectForAnotherProtocolIsRefused(t *testing.T) {
	g := startStreaming(t, "")
	for _, version := range []int{2, 3} {
		for _, protocol := range []string{"h2c", "connect-udp", "connect-ip", "webtransport"} {
			body, upload := io.Pipe()
			r := g.request(t, version, http.MethodConnect, "/ws", g.token("alice", tokentest.Claims{}), body)
			transport := g.client(t, version).Transport
			if version == 2 {
				r.Header[":protocol"] = []string{protocol}
				transport = g.extendedConnect(t)
			} else {
				r.Proto = protocol
			}
			resp, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != http.StatusNotImplemented {
				t.Errorf("%s over HTTP/%d: %d, want 501", protocol, version, resp.StatusCode)
			}
			_, _ = upload.Close(), resp.Body.Close()
		}
	}
}

// A WebSocket over HTTP/2 or 3 goes on to the upstream as an upgrade over
// HTTP/1.1, so a guard for those is for it as well.
func TestAGuardForUpgradesIsForExtendedConnectToo(t *testing.T) {
	g := startStreaming(t, "")
	for _, matcher := range []string{
		"header Connection *Upgrade*\nheader Upgrade websocket", "header_regexp Upgrade (?i)websocket", "method GET", "header Sec-WebSocket-Key *",
		"expression `method('GET')`", "expression `{method} == 'GET'`", "expression `{header.upgrade} == 'websocket'`",
		"expression `{path} == '/ws' && header({'Upgrade': 'websocket'})`",
	} {
		g.load(global, g.parts.Replace("https://127.0.0.1:TLSPORT {\ntls CERT KEY\n@ws {\n"+matcher+"\n}\ncurfew @ws\nreverse_proxy STREAMS\n}\n"))
		for _, version := range []int{2, 3} {
			resp, upload := g.askForWebSocket(t, version, "")
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%q over HTTP/%d: %d, want 401", matcher, version, resp.StatusCode)
			}
			_, _ = upload.Close(), resp.Body.Close()
		}
	}
}

// Virtual hosts take these names for one.
func TestAGuardForAHostIsForEverySpellingOfIt(t *testing.T) {
	g := start(t, global, `
:APPPORT {
	@matcher host a.example.com *.wild.example.com
	curfew @matcher
	@expression expression `+"`{host} == 'b.example.com' || {hostport} == 'p.example.com:81' || {labels.2} == 'c'`"+`
	curfew @expression
	reverse_proxy UPSTREAM
}
http://127.0.0.1:HEALTHPORT {
	curfew_health
}
`)
	for host, want := range map[string]int{
		"a.example.com": 401, "A.example.com": 401, "a.example.com.": 401, "A.Example.com.:80": 401, "a.example.com..": 401,
		"x.wild.example.com.": 401, "b.example.com": 401, "B.example.com": 401, "b.example.com.": 401, "p.example.com.:81": 401,
		"c.example.com.": 401, "other.example.com": 200, "Other.example.com.": 200, "[::1]:80": 200,
	} {
		if got := g.askRaw("/x", "Host: "+host); got != want {
			t.Errorf("%s: got %d, want %d", host, got, want)
		}
	}
}

func TestAGuardForUpgradesIsForEverySpellingOfThem(t *testing.T) {
	g, s := startBeside(t, `
http://127.0.0.1:APPPORT {
	@ws {
		header Connection *Upgrade*
		header Upgrade websocket
	}
	curfew @ws
	reverse_proxy SWITCHING
}
http://127.0.0.1:HEALTHPORT {
	curfew_health
}
`)
	for _, lines := range [][]string{
		{"Connection: Upgrade", "Upgrade: websocket"},
		{"Connection: upgrade", "Upgrade: websocket"},
		{"Connection: keep-alive, UPGRADE", "Upgrade: WebSocket"},
		{"Connection: keep-alive", "Connection: upgrade", "Upgrade: h2c, WEBSOCKET"},
	} {
		if status, _ := g.tunnel("/ws", lines...); status != http.StatusUnauthorized {
			t.Errorf("%q: got %d, want 401", lines, status)
		}
	}
	if len(s.asked) > 0 {
		t.Error("the upstream was asked")
	}
}
