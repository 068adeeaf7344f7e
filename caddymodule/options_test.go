package caddymodule_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

// guarded is a site of one guard with these options, and what follows it.
func guarded(options, more string) string {
	return strings.NewReplacer("OPTIONS", options, "MORE", more).Replace(`
http://127.0.0.1:APPPORT {
	curfew {
		OPTIONS
	}
	MORE
	reverse_proxy UPSTREAM
}
http://127.0.0.1:ADMINPORT {
	curfew_admin {
		token helpdesk write ` + helpdesk + `
	}
}
http://127.0.0.1:HEALTHPORT {
	metrics /metrics
	curfew_health
}
`)
}

// with returns an edit that sets headers.
func with(pairs ...string) func(*http.Request) {
	return func(r *http.Request) {
		for i := 0; i < len(pairs); i += 2 {
			r.Header.Set(pairs[i], pairs[i+1])
		}
	}
}

func as(method string) func(*http.Request) { return func(r *http.Request) { r.Method = method } }

// An optional guard lets pass who says nothing, and judges who says something.
func TestOptional(t *testing.T) {
	g := start(t, global, guarded("optional\n\t\tscope read", ""))
	for name, c := range map[string]struct {
		token         string
		edit          func(*http.Request)
		status        int
		authenticated string
	}{
		"nobody":      {"", with(), 200, "false"},
		"basic":       {"", with("Authorization", "Basic YTpi"), 200, "false"},
		"somebody":    {g.token("alice"), with(), 200, "true"},
		"garbage":     {"garbage", with(), 401, ""},
		"empty":       {"", with("Authorization", "Bearer"), 401, ""},
		"dpop":        {"", with("Authorization", "DPoP x"), 401, ""},
		"expired":     {g.token("alice", tokentest.Claims{"exp": 1}), with(), 401, ""},
		"no scope":    {g.token("alice", tokentest.Claims{"scope": "x"}), with(), 403, ""},
		"query token": {"", func(r *http.Request) { r.URL.RawQuery = "access_token=x" }, 400, ""},
	} {
		before := g.upstream.count()
		a := g.get("/", c.token, c.edit)
		if a.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		if reached := g.upstream.count() != before; reached != (c.status == 200) {
			t.Errorf("%s: reached the upstream: %v", name, reached)
		} else if reached && strings.Join(g.upstream.header("Curfew-Authenticated"), ",") != c.authenticated {
			t.Errorf("%s: authenticated %q", name, g.upstream.header("Curfew-Authenticated"))
		}
	}
}

// An empty value is no credential in every place where one may be, whether the
// guard asks for one or not.
func TestAnEmptyPlaceHoldsNoCredential(t *testing.T) {
	const header, cookie = "token_from header", "token_from cookie session"
	for places, cases := range map[string]map[string][]string{
		header: {
			"nothing":      nil,
			"empty header": {"Authorization:"},
			"blank header": {"Authorization:  \t "},
		},
		cookie: {
			"nothing":                   nil,
			"empty cookie line":         {"Cookie:"},
			"empty cookie":              {"Cookie: session="},
			"empty cookie among others": {"Cookie: a=b; session=; c=d"},
			"empty cookie in quotes":    {`Cookie: session=""`},
			"name of a cookie alone":    {"Cookie: session"},
		},
		header + "\n\t\t" + cookie: {
			"empty header": {"Authorization:"},
			"empty cookie": {"Cookie: session="},
			"both empty":   {"Authorization:", "Cookie: session="},
		},
	} {
		required := strings.Replace(guarded(places, "@optional path /optional\n\tcurfew @optional {\n\t\toptional\n\t\t"+places+"\n\t}"),
			"curfew {", "@required not path /optional\n\tcurfew @required {", 1)
		g := start(t, global, required)
		for name, lines := range cases {
			if a := g.ask("GET", "/x", lines...); a.StatusCode != 401 || a.problem() != "urn:curfew:no-credential" || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s, %s, asked for: %d %s", places, name, a.StatusCode, a.body)
			}
			if a := g.ask("GET", "/optional", lines...); a.StatusCode != 200 {
				t.Errorf("%s, %s, optional: %d %s", places, name, a.StatusCode, a.body)
			} else if got := g.upstream.header("Curfew-Authenticated"); len(got) != 1 || got[0] != "false" {
				t.Errorf("%s, %s: Curfew-Authenticated %q", places, name, got)
			}
			if a := g.ask("GET", "/x", append(lines[:len(lines):len(lines)], "Cookie: session=garbage", "Authorization: Bearer garbage")...); a.StatusCode == 200 {
				t.Errorf("%s, %s, and garbage: admitted", places, name)
			}
		}
		g.stop()
	}
}

// While the issuer's keys are missing, an optional guard still can't be talked
// into passing a credential on unjudged.
func TestOptionalWithoutKeys(t *testing.T) {
	g := prepare(t)
	g.issuer.Fail(http.NotFoundHandler())
	g.load(global, guarded("optional", ""))
	if a := g.awaitStatus("/", "", 200); a.body != "upstream" {
		t.Errorf("nobody: %s", a.body)
	}
	before := g.upstream.count()
	if a := g.get("/", g.token("alice")); a.StatusCode != 503 || g.upstream.count() != before {
		t.Errorf("somebody: %d", a.StatusCode)
	}
}

// A preflight passes where that is asked for, and only what a browser sends as
// one: it never has a credential.
func TestPreflight(t *testing.T) {
	preflight := []func(*http.Request){as("OPTIONS"), with("Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT")}
	g := start(t, global, guarded("preflight pass\n\t\ttoken_from header\n\t\ttoken_from cookie session", ""))
	if a := g.get("/", "", append(preflight, with("Authorization", "", "Cookie", "session="))...); a.StatusCode != 200 {
		t.Errorf("a preflight with empty places: %d %s", a.StatusCode, a.body)
	}
	if a := g.get("/", "", preflight...); a.StatusCode != 200 {
		t.Errorf("a preflight: %d %s", a.StatusCode, a.body)
	}
	for name, more := range map[string]func(*http.Request){
		"get":          as("GET"),
		"post":         as("POST"),
		"no origin":    func(r *http.Request) { r.Header.Del("Origin") },
		"no method":    func(r *http.Request) { r.Header.Del("Access-Control-Request-Method") },
		"bearer":       with("Authorization", "Bearer garbage"),
		"basic":        with("Authorization", "Basic YTpi"),
		"a bad cookie": with("Cookie", "session=garbage"),
		"query token":  func(r *http.Request) { r.URL.RawQuery = "access_token=x" },
	} {
		before := g.upstream.count()
		if a := g.get("/", "", append(preflight, more)...); a.StatusCode != 401 && a.StatusCode != 400 || g.upstream.count() != before {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	g.load(global, guarded("scope read", ""))
	if a := g.get("/", "", preflight...); a.StatusCode != 401 {
		t.Errorf("by default: %d", a.StatusCode)
	}
}

// A cookie goes along with what another site makes a browser send, so it counts
// only where the page is of the same origin.
func TestCookieNeedsItsOwnOrigin(t *testing.T) {
	g := start(t, global, guarded("token_from cookie session", ""))
	token := g.token("alice")
	host := g.host()
	for _, c := range []struct {
		name   string
		method string
		lines  []string
		want   int
	}{
		{"get", "GET", nil, 200},
		{"head", "HEAD", nil, 200},
		{"get from elsewhere", "GET", []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 200},
		{"post", "POST", nil, 401},
		{"post from here", "POST", []string{"Origin: http://" + host}, 200},
		{"post from here, by tls", "POST", []string{"Origin: https://" + host}, 200},
		{"post by fetch metadata", "POST", []string{"Sec-Fetch-Site: same-origin"}, 200},
		{"post from elsewhere", "POST", []string{"Origin: https://evil.example"}, 401},
		{"elsewhere outweighs", "POST", []string{"Origin: https://evil.example", "Sec-Fetch-Site: same-origin"}, 401},
		{"post from null", "POST", []string{"Origin: null"}, 401},
		{"two origins", "POST", []string{"Origin: http://" + host, "Origin: http://" + host}, 401},
		{"another port", "POST", []string{"Origin: http://127.0.0.1:1"}, 401},
		{"suffix", "POST", []string{"Origin: http://" + host + ".evil.example"}, 401},
		{"same site", "POST", []string{"Sec-Fetch-Site: same-site"}, 401},
		{"by hand", "POST", []string{"Sec-Fetch-Site: none"}, 401},
		{"put", "PUT", nil, 401},
		{"delete", "DELETE", nil, 401},
		{"any method", "FROB", nil, 401},
		{"lower case", "get", nil, 401},
		{"websocket", "GET", []string{"Connection: Upgrade", "Upgrade: websocket"}, 401},
		{"websocket from here", "GET", []string{"Connection: Upgrade", "Upgrade: websocket", "Origin: http://" + host}, 200},
		{"websocket from elsewhere", "GET", []string{"Connection: Upgrade", "Upgrade: websocket", "Origin: http://evil.example"}, 401},
		{"a header instead", "GET", []string{"Cookie: x=y", "Authorization: Bearer " + token}, 200},
	} {
		before := g.upstream.count()
		a := g.ask(c.method, "/", append(c.lines, "Cookie: session="+token)...)
		if a.StatusCode != c.want || (g.upstream.count() != before) != (c.want == 200) {
			t.Errorf("%s: %d, want %d", c.name, a.StatusCode, c.want)
		}
	}
	if a := g.get("/", token); a.StatusCode != 401 {
		t.Errorf("a header where only cookies count: %d", a.StatusCode)
	}
}

// Guards add up: the challenge of a later one states what earlier ones asked
// for too, and where each looks for a credential is its own affair.
func TestGuardsAddUp(t *testing.T) {
	g := start(t, global, guarded("max_age 1h\n\t\ttoken_from header\n\t\ttoken_from cookie session", `@strong path /strong/*
	curfew @strong {
		acr mfa
	}
	@scoped path /strong/scoped/*
	curfew @scoped {
		scope a b
	}`))
	a := g.get("/strong/x", g.token("alice"))
	const want = `Bearer error="insufficient_user_authentication", error_description="A stronger or more recent sign-in is required", acr_values="mfa", max_age="3600"`
	if got := strings.Join(a.Header.Values("WWW-Authenticate"), "\n"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	strong := g.token("alice", tokentest.Claims{"acr": "mfa"})
	if a := g.get("/strong/x", strong); a.StatusCode != 200 {
		t.Errorf("both are satisfied: %d %s", a.StatusCode, a.body)
	}
	if a := g.get("/strong/scoped/x", strong); a.StatusCode != 403 || !strings.Contains(a.Header.Get("WWW-Authenticate"), `scope="a b"`) {
		t.Errorf("the third: %d %s", a.StatusCode, a.Header)
	}
	if a := g.ask("GET", "/x", "Cookie: session="+strong); a.StatusCode != 200 {
		t.Errorf("a cookie where one counts: %d", a.StatusCode)
	}
	if a := g.ask("GET", "/strong/x", "Cookie: session="+strong); a.StatusCode != 401 || a.problem() != "urn:curfew:no-credential" {
		t.Errorf("a cookie where the second guard takes headers only: %d %s", a.StatusCode, a.body)
	}
}

// An optional guard that finds nothing where it looks takes back nothing that
// another one found out.
func TestOptionalBehindAnother(t *testing.T) {
	g := start(t, global, guarded("token_from cookie session", `@more path /more/*
	curfew @more {
		optional
	}`))
	if a := g.ask("GET", "/more/x", "Cookie: session="+g.token("alice")); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	for name, want := range map[string]string{"Curfew-Authenticated": "true", "Curfew-Subject": "alice"} {
		if got := strings.Join(g.upstream.header(name), ","); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// strip takes the token from the upstream, on every way to it.
func TestAuthorizationStrip(t *testing.T) {
	for option, want := range map[string]bool{"authorization strip": false, "authorization strip\n\t\tdry_run": false, "authorization pass": true} {
		g := start(t, global, guarded(option, ""))
		for _, token := range []string{g.token("alice"), g.token("alice", tokentest.Claims{"exp": 1})} {
			before := g.upstream.count()
			g.get("/", token)
			if g.upstream.count() != before && (g.upstream.header("Authorization") != nil) != want {
				t.Errorf("%s: the upstream got %q", option, g.upstream.header("Authorization"))
			}
		}
		g.stop()
	}
}

// log_user says how the user appears in Caddy's log.
func TestLogUser(t *testing.T) {
	for option, want := range map[string]string{"sub": `"user_id":"alice-of-the-log"`, "hash": `"user_id":"`, "off": `"user_id":""`} {
		logs := filepath.Join(t.TempDir(), "log.json")
		g := prepare(t)
		g.logTo = logs
		g.load(strings.Replace(global, "on_empty", "log_user "+option+"\n\t\ton_empty", 1), guarded("scope read", "log"))
		g.awaitReady()
		g.get("/", g.token("alice-of-the-log"))
		g.get("/", g.token("alice-of-the-log", tokentest.Claims{"scope": "none"}))
		g.stop()
		var text string
		lines := 0
		for line := range strings.Lines(readFile(t, logs)) {
			if strings.Contains(line, "http.log.access") {
				text += line
				lines++
				if !strings.Contains(line, want) {
					t.Errorf("%s: no %s in %s", option, want, line)
				}
			}
		}
		if lines != 2 {
			t.Errorf("%s: %d lines, want one of an admission and one of a refusal", option, lines)
		}
		if shown := strings.Contains(text, "alice-of-the-log"); shown != (option == "sub") {
			t.Errorf("%s: the log shows the subject: %v", option, shown)
		}
		for _, secret := range []string{"sid-alice", "jti-alice"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: the log shows %s", option, secret)
			}
		}
	}
}

// A token in the query is refused, or is not a credential.
func TestQueryToken(t *testing.T) {
	g := start(t, global, guarded("query_token ignore", ""))
	token := g.token("alice")
	if a := g.get("/?access_token="+token, ""); a.StatusCode != 401 || a.problem() != "urn:curfew:no-credential" {
		t.Errorf("ignored: %d %s", a.StatusCode, a.body)
	}
	if a := g.get("/?access_token=x", token); a.StatusCode != 200 {
		t.Errorf("ignored beside a header: %d %s", a.StatusCode, a.body)
	}
	g.load(global, guarded("query_token refuse", ""))
	for _, query := range []string{"access_token=x", "a=b&ACCESS_TOKEN=x", "access%5Ftoken=x", "a;access_token=x", "access_token"} {
		before := g.upstream.count()
		if a := g.get("/?"+query, token); a.StatusCode != 400 || g.upstream.count() != before {
			t.Errorf("%s: %d", query, a.StatusCode)
		}
	}
}

// A person is sent to sign in, a program is told; nobody is told where from.
func TestSignInURL(t *testing.T) {
	g := start(t, global, guarded("sign_in_url https://login.example.com/start\n\t\tscope admin", ""))
	for _, c := range []struct {
		name string
		edit []func(*http.Request)
		want int
	}{
		{"a browser", []func(*http.Request){with("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")}, 302},
		{"an old browser", []func(*http.Request){with("Accept", "text/html,application/xhtml+xml")}, 302},
		{"a frame", []func(*http.Request){with("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html")}, 401},
		{"fetch", []func(*http.Request){with("Sec-Fetch-Mode", "cors", "Accept", "text/html")}, 401},
		{"a program", []func(*http.Request){with("Accept", "application/json")}, 401},
		{"a form", []func(*http.Request){as("POST"), with("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")}, 401},
		{"head", []func(*http.Request){as("HEAD"), with("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")}, 401},
	} {
		a := g.get("/secret?next=//evil.example", "", c.edit...)
		if a.StatusCode != c.want || c.want == 302 && a.Header.Get("Location") != "https://login.example.com/start" {
			t.Errorf("%s: %d %q", c.name, a.StatusCode, a.Header.Get("Location"))
		}
	}
	// Signing in again gives nobody a scope.
	if a := g.get("/", g.token("alice"), with("Accept", "text/html")); a.StatusCode != 403 {
		t.Errorf("without the scope: %d", a.StatusCode)
	}
}

// Error routes are told what happened in placeholders.
func TestRefusalByErrorRoutes(t *testing.T) {
	g := start(t, global, guarded("refusal handle_errors", `handle_errors {
		respond "{http.error.status_code} {http.curfew.reason} {http.curfew.problem_type} {http.curfew.revocation_id}" {http.error.status_code}
	}`))
	receipt := g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	for token, want := range map[string]string{
		"":               "401 no-credential urn:curfew:no-credential ",
		"garbage":        "401 invalid-token urn:curfew:invalid-token ",
		g.token("alice"): "401 signed-out urn:curfew:signed-out " + receipt["id"].(string),
	} {
		a := g.get("/", token)
		if a.StatusCode != 401 || a.body != want || a.Header.Get("WWW-Authenticate") == "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %d %q %v, want %q", a.StatusCode, a.body, a.Header, want)
		}
	}
}

// Sessions may be shorter than tokens: what is older is signed out, whatever
// its token says.
func TestRetentionBelowTheTokenLifetime(t *testing.T) {
	g := start(t, strings.Replace(global, "clock_skew 1s", "clock_skew 1s\n\t\t\tretention 50s", 1), sites)
	now := time.Now().Unix()
	if a := g.get("/", g.token("alice")); a.StatusCode != 401 || a.problem() != "urn:curfew:signed-out" {
		t.Errorf("a session of 100 s: %d %s", a.StatusCode, a.body)
	}
	if a := g.get("/", g.token("alice", tokentest.Claims{"auth_time": now - 10})); a.StatusCode != 200 {
		t.Errorf("a session of 10 s: %d %s", a.StatusCode, a.body)
	}
}

// A skew of zero is none, and not the default: the sign-in of the next second
// counts.
func TestNoClockSkew(t *testing.T) {
	g := start(t, strings.Replace(global, "clock_skew 1s", "clock_skew 0s", 1), sites)
	at := time.Now().Add(-10 * time.Second).UTC().Truncate(time.Second)
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"}, map[string]any{"at": at.Format(time.RFC3339)})
	for after, want := range map[int64]int{0: 401, 1: 200} {
		signedIn := at.Unix() + after
		a := g.get("/", g.token("alice", tokentest.Claims{"auth_time": signedIn, "iat": signedIn}))
		if a.StatusCode != want {
			t.Errorf("signed in %d s after the cut: %d %s", after, a.StatusCode, a.body)
		}
	}
}
