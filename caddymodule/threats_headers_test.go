package caddymodule_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curfew.dev/curfew/internal/seedtest"
	"curfew.dev/curfew/token/tokentest"
)

// everyRoute has a route for each way past a guard, all to the same upstream.
const everyRoute = `
http://127.0.0.1:APPPORT {
	@guarded path /guarded/* /twice/*
	curfew @guarded {
		identity_header X-User-Email email
		identity_header x-odd_CASE team
	}
	@twice path /twice/*
	curfew @twice {
		scope read
	}
	@optional path /optional/*
	curfew @optional {
		optional
	}
	@preflight path /preflight/*
	curfew @preflight {
		preflight pass
	}
	@dry path /dry/*
	curfew @dry {
		dry_run
	}
	@handled path /handled/*
	curfew @handled {
		refusal handle_errors
	}
	reverse_proxy UPSTREAM
	handle_errors {
		rewrite * /error-page
		reverse_proxy UPSTREAM
	}
}
http://127.0.0.1:ADMINPORT {
	curfew_admin {
		token helpdesk write ` + helpdesk + `
		token root break_glass ` + breakGlass + `
	}
}
http://127.0.0.1:HEALTHPORT {
	metrics /metrics
	curfew_health
}
`

// identityHeaders are all that the gateway may set on everyRoute.
var identityHeaders = []string{
	"Curfew-Authenticated", "Curfew-Issuer", "Curfew-Subject", "Curfew-Client", "Curfew-Session", "Curfew-Device", "Curfew-Tenant",
	"Curfew-Scope", "Curfew-Acr", "Curfew-Amr", "Curfew-Auth-Time", "Curfew-Expires-At", "X-User-Email", "X-Odd-Case",
}

const forged = "forged-by-the-client"

// cgi is how an upstream of PHP, Rack or WSGI sees headers: upper case, with
// everything but letters and digits as an underscore.
func cgi(r *http.Request) map[string][]string {
	seen := make(map[string][]string)
	for _, h := range []http.Header{r.Header, r.Trailer} {
		for name, values := range h {
			key := strings.Map(func(c rune) rune {
				if strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", c) {
					return c
				}
				return '_'
			}, strings.ToUpper(name))
			seen[key] = append(seen[key], values...)
		}
	}
	return seen
}

// forgeries spells a header's name in ways that some upstream takes for it.
func forgeries(r *rand.Rand, name string) string {
	const separators = "-_.!~*"
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c == '-':
			c = separators[r.IntN(len(separators))]
		case r.IntN(2) == 0:
			c = strings.ToUpper(string(c))[0]
		default:
			c = strings.ToLower(string(c))[0]
		}
		b.WriteByte(c)
	}
	return b.String()
}

// checkIdentity looks at what came with the upstream's eyes: each of our
// headers has one value at most, and never the client's.
func checkIdentity(t *testing.T, u *upstream) {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	seen := cgi(u.last)
	for _, name := range identityHeaders {
		values := seen[strings.ToUpper(strings.ReplaceAll(name, "-", "_"))]
		if len(values) > 1 {
			t.Errorf("%s has %d values: %q", name, len(values), values)
		}
		for _, v := range values {
			if strings.Contains(v, forged) {
				t.Errorf("%s arrived as the client sent it", name)
			}
		}
	}
}

// H1: whatever the case, the separators, the number and the place of forged
// headers, the upstream sees our value, once.
func TestH1ForgedHeadersNeverArrive(t *testing.T) {
	g := start(t, global+withH2C, everyRoute)
	token := g.token("alice", tokentest.Claims{"email": "alice@example.com", "team": "red"})
	r := seedtest.New(t)
	for range 150 {
		var lines, trailers []string
		for range 1 + r.IntN(8) {
			line := forgeries(r, identityHeaders[r.IntN(len(identityHeaders))]) + ":" + strings.Repeat(" ", r.IntN(3)) + forged + strings.Repeat(" ", r.IntN(2))
			if r.IntN(4) == 0 {
				trailers = append(trailers, line)
			} else {
				lines = append(lines, line)
			}
		}
		text := "POST /guarded/x HTTP/1.1\nHost: " + g.host() + "\nAuthorization: Bearer " + token + "\nConnection: close\nTransfer-Encoding: chunked\n"
		if len(trailers) > 0 {
			name, _, _ := strings.Cut(trailers[0], ":")
			text += "Trailer: X-Checksum, " + name + "\n"
		}
		text += strings.Join(append(lines, ""), "\n") + "\n3\nabc\n0\nX-Checksum: 1\n" + strings.Join(append(trailers, ""), "\n") + "\n"
		before := g.upstream.count()
		w := dial(t, g.app)
		w.say(text)
		a, ok := w.hear("POST")
		_ = w.conn.Close()
		if !ok || a.StatusCode == http.StatusBadRequest && g.upstream.count() == before {
			continue // refused as a whole is as good
		}
		if a.StatusCode != http.StatusOK {
			t.Fatalf("got %d %s for\n%s", a.StatusCode, a.body, text)
		}
		checkIdentity(t, g.upstream)
		if got := g.upstream.header("Curfew-Subject"); len(got) != 1 || got[0] != "alice" {
			t.Errorf("subject %q", got)
		}
		if t.Failed() {
			t.Fatalf("the request was\n%s", text)
		}
	}
	g.forgeOverH2C(r, token)
}

func (g *gateway) forgeOverH2C(r *rand.Rand, token string) {
	g.t.Helper()
	c := h2c(g.t)
	for range 50 {
		h := http.Header{"Authorization": {"Bearer " + token}}
		for range 1 + r.IntN(6) {
			name := strings.ToLower(forgeries(r, identityHeaders[r.IntN(len(identityHeaders))]))
			h[name] = append(h[name], forged)
		}
		before := g.upstream.count()
		a, err := g.overH2C(c, http.MethodGet, "/guarded/x", h)
		if err != nil && g.upstream.count() == before {
			continue
		}
		if err != nil || a.StatusCode != http.StatusOK {
			g.t.Fatalf("over h2c: %v %d %s", err, a.StatusCode, a.body)
		}
		checkIdentity(g.t, g.upstream)
		if got := g.upstream.header("Curfew-Subject"); len(got) != 1 || got[0] != "alice" {
			g.t.Errorf("over h2c: subject %q", got)
		}
	}
}

// H2: where a fact is absent, or nobody is known, the client's value is gone
// all the same: on every kind of route, public ones and error pages included.
func TestH2AbsentFactsHaveNoHeader(t *testing.T) {
	g := start(t, global, everyRoute)
	bare := g.token("alice", tokentest.Claims{"sid": nil, "device_id": nil, "tid": nil, "scope": "read", "acr": nil, "amr": nil, "client_id": "web"})
	preflight := func(r *http.Request) {
		r.Method = http.MethodOptions
		r.Header.Set("Origin", "https://app.example.com")
		r.Header.Set("Access-Control-Request-Method", "PUT")
	}
	for _, c := range []struct {
		name, path, token string
		edit              func(*http.Request)
		status            int
		authenticated     string
	}{
		{"claims absent", "/guarded/x", bare, nil, 200, "true"},
		{"two guards", "/twice/x", bare, nil, 200, "true"},
		{"public", "/public/x", "", nil, 200, ""},
		{"public with a token", "/public/x", bare, nil, 200, ""},
		{"optional", "/optional/x", "", nil, 200, "false"},
		{"preflight", "/preflight/x", "", preflight, 200, "false"},
		{"dry run", "/dry/x", "garbage", nil, 200, "false"},
		{"error page", "/handled/x", "garbage", nil, 200, "false"}, // the page's own status
	} {
		t.Run(c.name, func(t *testing.T) {
			before := g.upstream.count()
			a := g.get(c.path, c.token, func(r *http.Request) {
				for _, name := range identityHeaders {
					r.Header[name] = []string{forged, forged}
				}
				r.Header["X-Untouched"] = []string{"stays"}
				if c.edit != nil {
					c.edit(r)
				}
			})
			if a.StatusCode != c.status || g.upstream.count() != before+1 {
				t.Fatalf("got %d %s", a.StatusCode, a.body)
			}
			checkIdentity(t, g.upstream)
			if got := strings.Join(g.upstream.header("Curfew-Authenticated"), ","); got != c.authenticated {
				t.Errorf("Curfew-Authenticated: got %q, want %q", got, c.authenticated)
			}
			if g.upstream.header("X-Untouched") == nil {
				t.Error("another header was taken away")
			}
		})
	}
}

// H3: a client can't have a proxy drop our headers by naming them as hops.
func TestH3ConnectionNamesOurHeaders(t *testing.T) {
	g := start(t, global+withH2C, everyRoute)
	token := g.token("alice", tokentest.Claims{"email": "alice@example.com", "team": "red"})
	for _, lines := range [][]string{
		{"Connection: close, Curfew-Subject"},
		{"Connection: curfew-subject", "Connection: CURFEW-AUTHENTICATED,x-user-email"},
		{"connection: close,\tcUrFeW-sUbJeCt ,x-user-email, X_ODD_CASE"},
		{"Proxy-Connection: Curfew-Subject"},
		{"Connection: ,,Curfew-Subject,,"},
		{"Connection: Curfew-Subject ;x, Curfew-Subject"},
		{"Connection: upgrade, Curfew-Subject", "Upgrade: nothing"},
		{"Connection: Connection, Curfew-Subject"},
	} {
		w := dial(t, g.app)
		w.say("GET /guarded/x HTTP/1.1\nHost: " + g.host() + "\nAuthorization: Bearer " + token + "\n" + strings.Join(append(lines, ""), "\n") + "\n")
		a, ok := w.hear("GET")
		_ = w.conn.Close()
		if !ok || a.StatusCode == http.StatusBadRequest {
			continue
		}
		for name, want := range map[string]string{
			"Curfew-Subject": "alice", "Curfew-Authenticated": "true", "X-User-Email": "alice@example.com", "X-Odd_case": "red",
		} {
			if got := g.upstream.header(name); len(got) != 1 || got[0] != want {
				t.Errorf("%q: %s arrived as %q, want %q", lines, name, got, want)
			}
		}
	}
	before := g.upstream.count()
	if a, err := g.overH2C(h2c(t), http.MethodGet, "/guarded/x", http.Header{
		"Authorization": {"Bearer " + token}, "connection": {"Curfew-Subject"},
	}); err == nil && a.StatusCode == http.StatusOK {
		if got := g.upstream.header("Curfew-Subject"); len(got) != 1 {
			t.Errorf("over h2c: the subject arrived as %q", got)
		}
	} else if g.upstream.count() != before {
		t.Error("over h2c: refused, and the upstream was contacted")
	}
}

// H4: nothing that a client says of where it comes from, or where it goes,
// changes a decision.
func TestH4ForwardedHeadersDecideNothing(t *testing.T) {
	g := start(t, global, strings.Replace(sites, "curfew @guarded {", "curfew @guarded {\n\t\tsign_in_url https://login.example.com/start\n", 1))
	for _, line := range []string{
		"X-Forwarded-Uri: /public/x", "X-Original-Url: /public/x", "X-Original-Uri: /public/x", "X-Rewrite-Url: /public/x",
		"X-Forwarded-Method: OPTIONS", "X-HTTP-Method-Override: OPTIONS", "X-Forwarded-Prefix: /public", "X-Forwarded-For: 127.0.0.1",
		"X-Real-Ip: 127.0.0.1", "Forwarded: for=127.0.0.1;host=evil.example;proto=https", "X-Forwarded-Host: evil.example",
		"X-Forwarded-Proto: https", "X-Forwarded-Port: 443", "X-Forwarded-User: root", "X-Envoy-Internal: true", "Client-Ip: 127.0.0.1",
	} {
		before := g.upstream.count()
		if a := g.ask("GET", "/secret", line); a.StatusCode != http.StatusUnauthorized || g.upstream.count() != before {
			t.Errorf("%s: %d", line, a.StatusCode)
		}
		a := g.ask("GET", "/secret", line, "Accept: text/html")
		if got := a.Header.Get("Location"); a.StatusCode != http.StatusFound || got != "https://login.example.com/start" {
			t.Errorf("%s: sent to %q with %d", line, got, a.StatusCode)
		}
	}
}

// H5: what may come once and comes twice is refused, never joined.
func TestH5RepeatedCredentials(t *testing.T) {
	g := start(t, global, strings.Replace(sites, "curfew @guarded {", "curfew @guarded {\n\t\ttoken_from header\n\t\ttoken_from cookie session\n", 1))
	good := g.token("alice")
	for _, lines := range [][]string{
		{"Authorization: Bearer " + good, "Authorization: Bearer " + good},
		{"Authorization: Bearer " + good, "authorization: Basic YTpi"},
		{"Authorization: Bearer " + good + ", Bearer " + good},
		{"Authorization: Bearer " + good + " " + good},
		{"Cookie: session=" + good + "; session=" + good},
		{"Cookie: session=" + good, "Cookie: session=" + good},
		{"Authorization: Bearer " + good, "Cookie: session=" + good},
		{"Authorization: Bearer garbage", "Cookie: session=" + good},
	} {
		before := g.upstream.count()
		a := g.ask("GET", "/", lines...)
		if a.StatusCode != http.StatusBadRequest || a.problem() != "urn:curfew:ambiguous-credential" || g.upstream.count() != before {
			t.Errorf("%d lines: %d %s", len(lines), a.StatusCode, a.body)
		}
	}
	for _, line := range []string{"Authorization: Bearer " + good, "Cookie: session=" + good, "Cookie: a=b; session=" + good + "; SESSION=x"} {
		if a := g.ask("GET", "/", line); a.StatusCode != http.StatusOK {
			t.Errorf("one credential: %d %s", a.StatusCode, a.body)
		}
	}
}

// H6: a token and the API's secrets are nowhere but where they belong: in the
// Authorization header that the upstream gets.
func TestH6CanariesStayHidden(t *testing.T) {
	logs := filepath.Join(t.TempDir(), "log.json")
	site := strings.Replace(everyRoute, "@guarded path", "log\n\t@guarded path", 1)
	site = strings.Replace(site, "curfew @handled {", "curfew @handled {\n\t\ttoken_from header\n\t\ttoken_from cookie session\n", 1)
	g := prepare(t)
	g.logTo = logs
	g.load(global, site)
	g.awaitReady()
	signature := func(token string) string { return token[strings.LastIndexByte(token, '.')+1:] }
	var canaries []string
	keep := func(token string) string { canaries = append(canaries, signature(token)); return token }
	for _, path := range []string{"/guarded/x", "/twice/x", "/handled/x", "/dry/x", "/optional/x"} {
		for _, change := range []tokentest.Claims{nil, {"exp": 1}, {"aud": "other"}, {"scope": "none"}} {
			g.get(path, keep(g.token("alice", change)))
		}
	}
	g.get("/handled/x", "", func(r *http.Request) {
		r.Header.Set("Cookie", "theme=dark; session="+keep(g.token("alice", tokentest.Claims{"exp": 1})))
	})
	// Caddy's access log has the URL before we see it, so a token in the query
	// is looked for elsewhere only.
	inQuery := g.token("alice")
	g.get("/handled/x?access_token="+inQuery+"&page=2", "")
	if strings.Contains(g.upstream.dump(), inQuery) {
		t.Error("the error page's upstream got the token in the query")
	}
	// What reaches the upstream under Authorization belongs there, unless the
	// upstream is the one of the error page.
	for line := range strings.Lines(g.upstream.dump()) {
		target := strings.Fields(line)[1]
		for _, c := range canaries {
			if strings.HasPrefix(target, "/error-page") && strings.Contains(line, c) {
				t.Errorf("the error page's upstream got a token: %.200s", line)
			}
			if i := strings.Index(line, c); i >= 0 && !strings.Contains(line[:i], "Authorization:[Bearer ") {
				t.Errorf("the upstream got a token elsewhere: %.200s", line)
			}
		}
	}
	answers := []string{g.call("", "GET", "/openapi.json", nil).body}
	for _, token := range []string{g.token("alice"), g.token("bob", tokentest.Claims{"exp": 1}), "garbage-canary"} {
		canaries = append(canaries, token[strings.LastIndexByte(token, '.')+1:])
		answers = append(answers, g.call(helpdesk, "POST", "/v1/explain", map[string]any{"token": token}).body)
	}
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	answers = append(answers,
		g.call(helpdesk, "POST", "/v1/revocations/search", map[string]any{}).body,
		g.call("wrong-secret-canary", "GET", "/v1/nodes", nil).body,
		g.call(helpdesk, "GET", "/v1/nodes", nil).body,
	)
	canaries = append(canaries, helpdesk, breakGlass, "wrong-secret-canary")
	for name, text := range map[string]string{
		"metrics": fetch(t, g.health+"/metrics"), "answers": strings.Join(answers, "\n"), "logs": readFile(t, logs),
	} {
		for _, c := range canaries {
			if at := strings.Index(text, c); at >= 0 {
				t.Errorf("%s show a secret: …%s…", name, text[max(0, at-150):at])
			}
		}
	}
	if !strings.Contains(readFile(t, logs), `"curfew":{`) {
		t.Error("the access log was not written: this test looked at nothing")
	}
}

// H6: /config/ shows placeholders, not what they stand for.
func TestH6ConfigShowsPlaceholders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("canary-of-the-secret-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CURFEW_TEST_TOKEN", "canary-of-the-environment")
	g := start(t, global, strings.NewReplacer(helpdesk, "{file."+file+"}", breakGlass, "{env.CURFEW_TEST_TOKEN}").Replace(sites))
	config := fetch(t, g.endpoint+"/config/")
	if strings.Contains(config, "canary") || !strings.Contains(config, "{env.CURFEW_TEST_TOKEN}") {
		t.Error("/config/ shows a secret, or not its placeholder")
	}
	for _, secret := range []string{"canary-of-the-secret-file", "canary-of-the-environment"} {
		if a := g.call(secret, "GET", "/v1/nodes", nil); a.StatusCode != http.StatusOK {
			t.Errorf("the secret opens nothing: %d %s", a.StatusCode, a.body)
		}
	}
}

// H7: claims are data. Nothing expands what stands in them.
func TestH7ClaimsAreNotExpanded(t *testing.T) {
	t.Setenv("SECRET", "canary-of-the-environment")
	logs := filepath.Join(t.TempDir(), "log.json")
	site := strings.Replace(everyRoute, "reverse_proxy UPSTREAM", `header >X-User {http.auth.user.id}
	reverse_proxy UPSTREAM {
		header_up X-Again {http.request.header.Curfew-Subject}
		header_up X-Once {http.auth.user.id}
		header_up X-Vars {http.vars.curfew}
	}`, 1)
	g := prepare(t)
	g.logTo = logs
	g.load(global, strings.Replace(site, "@guarded path", "log\n\t@guarded path", 1))
	g.awaitReady()
	for _, evil := range []string{"{env.SECRET}", "{file./etc/passwd}", "{{env `SECRET`}}", "{http.request.header.Authorization}", "{$SECRET}"} {
		a := g.get("/guarded/x", g.token(evil, tokentest.Claims{"email": evil, "scope": evil, "acr": evil, "tid": evil}))
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", evil, a.StatusCode, a.body)
		}
		want := strings.ReplaceAll(evil, " ", "%20")
		for _, name := range []string{"Curfew-Subject", "X-User-Email", "Curfew-Tenant", "X-Again"} {
			if got := g.upstream.header(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		for name, values := range a.Header {
			if strings.Contains(fmt.Sprint(values), "canary") {
				t.Errorf("%s: expanded in %s", evil, name)
			}
		}
	}
	for name, text := range map[string]string{"upstream": g.upstream.dump(), "logs": readFile(t, logs)} {
		if strings.Contains(text, "canary-of") || strings.Contains(text, "root:x:") {
			t.Errorf("%s: a claim was expanded", name)
		}
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	return amidReload(t, mustGet(url)).body
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
