package caddymodule_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/seedtest"
	"curfew.dev/curfew/token/tokentest"
)

// P1: a rule about the path is not met by a query, nor by a fragment.
func TestP1QueryAndFragmentOpenNothing(t *testing.T) {
	g := start(t, global, sites)
	for _, target := range []string{
		"/secret?x=/public/", "/secret?/public/x", "/?/public", "/secret#/public/x", "/secret%23/public/x", "/secret%3f/public/x",
		"/secret#/../public/x", "/secret?#/public", "/secret;/public/x", "/public#/../secret", "/public%23/../secret",
	} {
		before := g.upstream.count()
		if a := g.ask("GET", target); a.StatusCode != 401 && a.StatusCode != 400 || g.upstream.count() != before {
			t.Errorf("%s: %d", target, a.StatusCode)
		}
	}
}

// P2: no rule looks at headers that a client chooses.
func TestP2HeadersOpenNothing(t *testing.T) {
	g := start(t, global, sites)
	for _, lines := range [][]string{
		{"User-Agent: kube-probe/1.29"},
		{"User-Agent: GoogleHC/1.0"},
		{"User-Agent: ELB-HealthChecker/2.0"},
		{"Accept: */*", "X-Health-Check: 1"},
		{"Origin: https://app.example.com", "Access-Control-Request-Method: GET"},
		{"Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"},
		{"X-Curfew-Bypass: 1", "Curfew-Authenticated: true"},
		{"Purpose: prefetch", "Sec-Fetch-Site: same-origin"},
	} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "POST", "PURGE", "get"} {
			before := g.upstream.count()
			if a := g.ask(method, "/secret", lines...); a.StatusCode != 401 && a.StatusCode != 400 || g.upstream.count() != before {
				t.Errorf("%s %q: %d", method, lines, a.StatusCode)
			}
		}
	}
}

// readers are the ways in which servers turn the target of a request into the
// path that they serve. They know nothing of the gateway.
var readers = makeReaders()

func makeReaders() []func(string) string {
	same := func(p string) string { return p }
	any := func(f func(string) string) []func(string) string { return []func(string) string{same, f} }
	stages := [][]func(string) string{
		{unescape(""), unescape("/"), twice},
		any(strings.NewReplacer("\xc0\xae", ".", "\xc0\xaf", "/", "\xc1\x9c", `\`, "\xe0\x80\xaf", "/", "\xf0\x80\x80\xae", ".").Replace),
		any(func(p string) string { p, _, _ = strings.Cut(p, "\x00"); return p }),
		any(func(p string) string { p, _, _ = strings.Cut(p, "#"); return p }),
		any(func(p string) string { return strings.ReplaceAll(p, `\`, "/") }),
		any(segmentwise(func(s string) string { s, _, _ = strings.Cut(s, ";"); return s })),
		any(segmentwise(func(s string) string {
			if strings.Trim(s, ". ") == "" {
				return strings.TrimRight(s, " ")
			}
			return strings.TrimRight(s, ". ")
		})),
		{same, merge},
		{same, resolve, dropDots},
	}
	pipelines := []func(string) string{same}
	for _, stage := range stages {
		var longer []func(string) string
		for _, p := range pipelines {
			for _, s := range stage {
				longer = append(longer, func(path string) string { return s(p(path)) })
			}
		}
		pipelines = longer
	}
	return pipelines
}

// unescape decodes once, except for what stays.
func unescape(stays string) func(string) string {
	return func(p string) string {
		var b strings.Builder
		for i := 0; i < len(p); i++ {
			if p[i] == '%' && i+2 < len(p) {
				if c, err := hex.DecodeString(p[i+1 : i+3]); err == nil && !strings.ContainsRune(stays, rune(c[0])) {
					b.WriteByte(c[0])
					i += 2
					continue
				}
			}
			b.WriteByte(p[i])
		}
		return b.String()
	}
}

func twice(p string) string { return unescape("")(unescape("")(p)) }

func segmentwise(f func(string) string) func(string) string {
	return func(p string) string {
		segments := strings.Split(p, "/")
		for i, s := range segments {
			segments[i] = f(s)
		}
		return strings.Join(segments, "/")
	}
}

func merge(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	return p
}

func resolve(p string) string {
	var out []string
	for i, s := range strings.Split(p, "/") {
		switch {
		case s == "..":
			if len(out) > 1 {
				out = out[:len(out)-1]
			}
		case s != ".", i == 0:
			out = append(out, s)
		}
	}
	return strings.Join(out, "/")
}

func dropDots(p string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "." || s == ".." }), "/")
}

// needs says what some server behind the gateway would ask of a target.
func needs(target string) (credential, stepUp bool) {
	path, _, _ := strings.Cut(target, "?")
	under := func(p, route string) bool { return p == route || strings.HasPrefix(p, route+"/") }
	for _, read := range readers {
		p := strings.ToLower(read(path))
		credential = credential || !under(p, "/public")
		stepUp = stepUp || under(p, "/billing")
	}
	return credential, stepUp
}

// walk sends each target over one connection, with a token or none.
func (g *gateway) walk(token string, targets []string, check func(target string, status int, reached bool)) {
	g.t.Helper()
	w := dial(g.t, g.app)
	for _, target := range targets {
		before := g.upstream.count()
		text := "GET " + target + " HTTP/1.1\nHost: " + g.host() + "\n"
		if token != "" {
			text += "Authorization: Bearer " + token + "\n"
		}
		w.say(text + "\n")
		a, ok := w.hear("GET")
		if !ok || a.Close {
			_ = w.conn.Close()
			w = dial(g.t, g.app)
		}
		status := 400
		if ok {
			status = a.StatusCode
		}
		check(target, status, g.upstream.count() != before)
	}
}

// strangeTargets are ways to write paths, and random mixtures of them.
func strangeTargets(t *testing.T, random int) []string {
	targets := []string{
		"//public/x", "///public//x", "/public//x", "/PUBLIC/x", "/public%2fx", "/public%2Fx", "/%70ublic/x", "/x/../public/y", "/public/%00", "/public/..%5cadmin",
		`/public/..\admin`, "/public/%2e%2e/admin", "/public/%252e%252e/admin", "/public/..;x=y/admin", "/public/..%3bx/admin",
		"/public/..%20/admin", "/public/%c0%ae%c0%ae/x", "/public%c1%9c..%c1%9cbilling", "/public%f0%80%80%ae%f0%80%80%ae/x", "/public/%c0%ae./billing",
		"/billing;v=1/users", "/billing%00/../public/x", "/billing%23/../public/x", "/billing/../public/x", "/billing./x", "/billing%20/x",
		"/public/%5c%2e%2e%5c..;a/billing", "/public/%25%32%65%25%32%65/billing", "/BILLING/x", "/billing%2fx", "//billing", "/./billing",
		"/public/./../billing", "/public/.%2e/billing", "/%62illing", "/public%2f..%2fbilling", "/public%5c..%5cbilling", "/a%2f..%2fpublic/x",
		"/public/%2e%2e%2fbilling", "/public/x/%2e%2e/%2e%2e/billing", "/public%252f..%252fbilling", "/public/..%c0%afbilling", "/public/..%e0%80%afbilling",
		"/public", "/public/", "/public/x", "/billing", "/", "/publicity", "/public;x", "/public.", "/public%20", "/public%09/x", "*",
	}
	r := seedtest.New(t)
	parts := []string{
		"/", "/", "/", "//", "public", "billing", "x", "..", ".", "%2e", "%2E%2e", "%2f", "%5c", `\`, ";", ";a=b", "%3b", "%00", "%23", "#", "%252e", "%252f", "%255c",
		"%20", "%c0%ae", "%c0%af", "%c1%9c", "/..", "/../", "/public/", "/billing", "%70ublic", "PUBLIC", "%3f", "%", "~",
	}
	for range random {
		target := "/"
		if r.IntN(2) == 0 {
			target = "/public/"
		}
		for range 1 + r.IntN(7) {
			target += parts[r.IntN(len(parts))]
		}
		targets = append(targets, target)
	}
	return targets
}

func howMany(short, long int) int {
	if os.Getenv("CURFEW_LONG") != "" {
		return long
	}
	return short
}

// P3: the decision is that of the strictest route which any reading of the path
// reaches: nothing that some server would take for a guarded path passes
// without a credential, or for the billing without a step-up.
func TestP3StrictestReadingDecides(t *testing.T) {
	decidesByTheStrictestReading(t, start(t, global, sites))
}

// decidesByTheStrictestReading checks the guards of sites, however their matchers
// read the path.
func decidesByTheStrictestReading(t *testing.T, g *gateway) {
	t.Helper()
	targets := strangeTargets(t, howMany(400, 20000))
	g.walk("", targets, func(target string, status int, reached bool) {
		if credential, _ := needs(target); credential && reached {
			t.Errorf("%q reached the upstream without a credential (%d)", target, status)
		}
	})
	g.walk(g.token("alice"), targets, func(target string, status int, reached bool) {
		if _, stepUp := needs(target); stepUp && reached {
			t.Errorf("%q reached the upstream without a step-up (%d)", target, status)
		}
	})
	// What is plain stays open: refusing everything would pass this test.
	open := []string{"/public", "/public/", "/public/x", "/public/a/b.c", "/public/a%20b", "/public/a%2fb", "/public//x", "/public/x?y=/../z"}
	g.walk("", open, func(target string, status int, reached bool) {
		if !reached {
			t.Errorf("%q was refused with %d", target, status)
		}
	})
}

// P3: what the operator changes about the path comes first, wherever it stands.
func TestP3RewrittenPaths(t *testing.T) {
	for _, c := range []struct{ name, before string }{
		{"strip_prefix", "uri strip_prefix /api"},
		{"rewrite", "@api path_regexp api ^/api(/.*)$\n\trewrite @api {re.api.1}"},
		{"uri replace", "uri replace /api/ /"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := start(t, global, strings.Replace(sites, "@guarded", c.before+"\n\t@guarded", 1))
			g.walk("", []string{"/api/secret", "/api/billing", "/api/public/../secret", "/api/../secret", "/api//secret"}, func(target string, status int, reached bool) {
				if reached {
					t.Errorf("%q reached the upstream (%d)", target, status)
				}
			})
			g.walk("", []string{"/api/public/x", "/public/x"}, func(target string, status int, reached bool) {
				if !reached {
					t.Errorf("%q was refused with %d", target, status)
				}
			})
		})
	}
	t.Run("after the guard", func(t *testing.T) {
		g := start(t, global, strings.Replace(sites, "\treverse_proxy", "\thandle_path /api/* {\n\t\treverse_proxy UPSTREAM\n\t}\n\treverse_proxy", 1))
		g.walk("", []string{"/api/public/x", "/api/secret"}, func(target string, status int, reached bool) {
			if reached {
				t.Errorf("%q reached the upstream (%d)", target, status)
			}
		})
	})
}

// P3: forms of the request line other than a path.
func TestP3RequestLines(t *testing.T) {
	g := start(t, global+withH2C, sites)
	for _, c := range []struct{ method, target string }{
		{"OPTIONS", "*"},
		{"GET", "http://" + g.host() + "/secret"},
		{"GET", "http://" + g.host() + "/public/..%5csecret"},
		{"GET", "http://public/secret"},
		{"GET", "http://user:pass@" + g.host() + "/secret"},
		{"CONNECT", g.host()},
		{"CONNECT", "/secret"},
		{"GET", "secret"},
		{"GET", "?/public/x"},
		{"GET", "x:secret"},
		{"GET", "http:public/x"},
		{"GET", "public/x"},
	} {
		before := g.upstream.count()
		if a := g.ask(c.method, c.target); g.upstream.count() != before {
			t.Errorf("%s %s reached the upstream (%d)", c.method, c.target, a.StatusCode)
		}
	}
	// HTTP/2, where :authority and Host may differ.
	before := g.upstream.count()
	req, _ := http.NewRequest(http.MethodGet, g.app+"/secret", nil)
	req.Host = "public"
	if resp, err := h2c(t).Do(req); err == nil {
		_ = resp.Body.Close()
	}
	if g.upstream.count() != before {
		t.Error("another :authority reached the upstream")
	}
}

// P4: a host may be written in many ways, and is one.
func TestP4HostSpellings(t *testing.T) {
	for _, hosts := range []int{1, 150} {
		t.Run(fmt.Sprint(hosts), func(t *testing.T) {
			names := "http://app.example.test:APPPORT"
			for n := 1; n < hosts; n++ {
				names += fmt.Sprintf(", http://h%d.example.test:APPPORT", n)
			}
			// A second, open site on the same port must not catch what is meant
			// for the guarded one.
			g := prepare(t)
			g.load(global, strings.Replace(sites, "http://127.0.0.1:APPPORT", names, 1))
			g.awaitReady()
			token := g.token("alice")
			for _, host := range []string{"app.example.test", "APP.example.TEST", "App.Example.Test:" + g.port, "app.example.test:80"} {
				for token, want := range map[string]int{"": 401, token: 200} {
					lines := []string{}
					if token != "" {
						lines = append(lines, "Authorization: Bearer "+token)
					}
					if got := g.askHost(host, "/secret", lines...); got != want {
						t.Errorf("%s: got %d, want %d", host, got, want)
					}
				}
			}
			before := g.upstream.count()
			for _, host := range []string{
				"app.example.test.", "app.example.test.:80", "xn--app-.example.test", "ａpp.example.test", "app.example.test%00", "app.example.test@evil",
				"app%2eexample.test", "", "h3.example.test.", "app.example.test\tx", "127.0.0.1", "localhost",
			} {
				g.askHost(host, "/secret")
			}
			if g.upstream.count() != before {
				t.Error("a spelling of the host reached the upstream without a credential")
			}
		})
	}
}

func (g *gateway) askHost(host, target string, lines ...string) int {
	g.t.Helper()
	w := dial(g.t, g.app)
	defer w.conn.Close()
	w.say("GET " + target + " HTTP/1.1\nHost: " + host + "\nConnection: close\n" + strings.Join(append(lines, ""), "\n") + "\n")
	a, ok := w.hear("GET")
	if !ok {
		return 400
	}
	return a.StatusCode
}

// P5: what can be framed in two ways is refused or read in one, and the next
// request on a connection is nobody else's.
func TestP5Framing(t *testing.T) {
	g := start(t, global+withH2C, sites)
	alice := g.token("alice")
	smuggled := "GET /secret HTTP/1.1\nHost: " + g.host() + "\n\n"
	head := func(target string, lines ...string) string {
		return "POST " + target + " HTTP/1.1\nHost: " + g.host() + "\n" + strings.Join(append(lines, ""), "\n") + "\n"
	}
	for name, text := range map[string]string{
		"both lengths":       head("/public/x", "Content-Length: 4", "Transfer-Encoding: chunked") + "0\n\n" + smuggled,
		"two lengths":        head("/public/x", "Content-Length: 0", "Content-Length: 44") + smuggled,
		"length list":        head("/public/x", "Content-Length: 0, 44") + smuggled,
		"signed length":      head("/public/x", "Content-Length: +4") + "abcd" + smuggled,
		"odd encoding":       head("/public/x", "Transfer-Encoding: xchunked") + "0\n\n" + smuggled,
		"two encodings":      head("/public/x", "Transfer-Encoding: chunked", "Transfer-Encoding: identity") + "0\n\n" + smuggled,
		"spaced name":        head("/public/x", "Transfer-Encoding : chunked", "Content-Length: 3") + "0\n\n" + smuggled,
		"bad chunk":          head("/public/x", "Transfer-Encoding: chunked") + "zz\nab\n0\n\n" + smuggled,
		"long chunk size":    head("/public/x", "Transfer-Encoding: chunked") + "ffffffffffffffff1\nab\n0\n\n" + smuggled,
		"folded header":      head("/public/x", "X: a\n Content-Length: 9") + smuggled,
		"early data":         head("/public/x", "Connection: Upgrade", "Upgrade: websocket") + smuggled,
		"connect":            "CONNECT " + g.host() + " HTTP/1.1\nHost: " + g.host() + "\n\n" + smuggled,
		"h2c upgrade":        "GET /public/x HTTP/1.1\nHost: " + g.host() + "\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\n\n" + smuggled,
		"admitted, then not": "GET / HTTP/1.1\nHost: " + g.host() + "\nAuthorization: Bearer " + alice + "\n\n" + smuggled,
	} {
		w := dial(t, g.app)
		_ = w.conn.SetReadDeadline(time.Now().Add(2 * time.Second)) // some wait for more
		w.say(text)
		for {
			a, ok := w.hear("GET")
			if !ok || a.Close {
				break
			}
			if a.StatusCode == 401 {
				break // the second request, refused
			}
		}
		_ = w.conn.Close()
		if strings.Contains(g.upstream.dump(), " /secret ") {
			t.Fatalf("%s: what was smuggled reached the upstream", name)
		}
	}
	// Pooled connections to the upstream: each request has its own identity.
	users := []string{alice, g.token("bob", tokentest.Claims{"sid": nil}), ""}
	for n := range 60 {
		who := []string{"alice", "bob", ""}[n%3]
		path := "/x"
		if who == "" {
			path = "/public/x"
		}
		if a := g.get(path, users[n%3]); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if got := strings.Join(g.upstream.header("Curfew-Subject"), ","); got != who {
			t.Fatalf("the upstream saw %q for %q", got, who)
		}
	}
}
