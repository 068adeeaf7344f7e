package caddymodule_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

// withCookie also takes the token from a cookie.
var withCookie = strings.Replace(sites, "curfew @guarded {", "curfew @guarded {\n\t\ttoken_from header\n\t\ttoken_from cookie session\n", 1)

// F1: a cookie is a good token, or it opens nothing; there is no third way.
func TestF1BrokenCookies(t *testing.T) {
	g := start(t, global, withCookie)
	good := g.token("alice")
	cookies := []string{
		"session=", "session", "session=;", "=" + good, "session=garbage", "session=" + good[:len(good)-1], "session=" + good[1:],
		"session=" + good + "x", "session=" + strings.ReplaceAll(good, ".", ""), "session=\"" + good + "\"", "session=" + good + "; session=" + good,
		"session=; session=" + good, "SESSION=" + good, "session%3d" + good, "session=" + base64.StdEncoding.EncodeToString([]byte(good)),
		"session=..", "session=" + strings.Repeat(".", 4000), "session=\x00" + good, "session=null", "session=deleted",
		"session_0=" + good[:20] + "; session_1=" + good[20:],
	}
	chunks := make([]string, 200)
	for i := range chunks {
		chunks[i] = fmt.Sprintf("session_%d=%s", i, good[i:i+2])
	}
	cookies = append(cookies, strings.Join(chunks, "; "))
	for i := range 40 {
		at := i * len(good) / 40
		cookies = append(cookies, "session="+good[:at], "session="+good[:at]+"A"+good[min(at+1, len(good)):])
	}
	for _, c := range cookies {
		before := g.upstream.count()
		a := g.ask("GET", "/", "Cookie: "+c)
		if c == "session="+good || a.StatusCode == 200 && strings.Contains(c, good) && len(c) == len("session="+good) {
			continue // an edit that changed nothing
		}
		if a.StatusCode != 401 && a.StatusCode != 400 || g.upstream.count() != before {
			t.Errorf("%.60q…: %d, upstream %d", c, a.StatusCode, g.upstream.count()-before)
		}
	}
	if a := g.ask("GET", "/", "Cookie: session="+good); a.StatusCode != 200 {
		t.Errorf("the good one: %d %s", a.StatusCode, a.body)
	}
}

// F2: a bearer token counts as what it is, whatever stands beside it.
func TestF2GarbageBearer(t *testing.T) {
	g := start(t, global, withCookie)
	for _, token := range []string{"garbage", "null", "undefined", "a.b.c", "..", "eyJhbGciOiJub25lIn0.e30.", "Bearer", "%00", strings.Repeat("A", 5000)} {
		for _, cookie := range []string{"", "Cookie: theme=dark", "Cookie: session=garbage"} {
			lines := []string{"Authorization: Bearer " + token}
			if cookie != "" {
				lines = append(lines, cookie)
			}
			before := g.upstream.count()
			if a := g.ask("GET", "/", lines...); a.StatusCode != 401 && a.StatusCode != 400 || g.upstream.count() != before {
				t.Errorf("%.20s with %q: %d", token, cookie, a.StatusCode)
			}
		}
	}
}

// twoIssuers has a site for each of two providers; OTHER is the second.
const twoIssuers = `
	curfew {
		issuer ISSUER {
			audience api
			client web
		}
		issuer OTHER {
			audience shop
		}
		ledger local DIR
		on_empty start
		node_name edge-1
	}
`

const twoSites = `
http://127.0.0.1:APPPORT {
	@api path /api/*
	curfew @api {
		issuer ISSUER
	}
	@shop path /shop/*
	curfew @shop {
		issuer OTHER
	}
	@byaudience path /byaudience/*
	curfew @byaudience {
		audience api
	}
	@both path /both/*
	curfew @both {
		audience api shop
	}
	reverse_proxy UPSTREAM
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

// startTwo starts a gateway of two issuers; the second is returned.
func startTwo(t *testing.T, prepareIssuers func(first, second *tokentest.Issuer)) (*gateway, *tokentest.Issuer) {
	t.Helper()
	g := prepare(t)
	other := tokentest.Start(t)
	if prepareIssuers != nil {
		prepareIssuers(g.issuer, other)
	}
	r := strings.NewReplacer("OTHER", other.URL)
	g.load(r.Replace(twoIssuers), r.Replace(twoSites))
	return g, other
}

// awaitStatus asks until the answer has that status.
func (g *gateway) awaitStatus(path, token string, want int) answer {
	g.t.Helper()
	var a answer
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if a = g.get(path, token); a.StatusCode == want {
			return a
		}
	}
	g.t.Fatalf("%s stays at %d %s, want %d", path, a.StatusCode, a.body, want)
	return a
}

// F3: without keys nothing of that issuer is decided, and all the rest is.
func TestF3NoKeysAtColdStart(t *testing.T) {
	down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	g, other := startTwo(t, func(first, _ *tokentest.Issuer) { first.Fail(down) })
	first, second := g.token("alice"), other.Sign(g.claims("alice"), tokentest.Claims{"iss": other.URL, "aud": "shop"})
	g.awaitStatus("/shop/x", second, 200)
	g.readiness(true, map[string]bool{g.issuer.URL: false, other.URL: true})
	before := g.upstream.count()
	for _, token := range []string{first, g.token("alice", tokentest.Claims{"exp": 1})} {
		a := g.get("/api/x", token)
		if a.StatusCode != 503 || a.problem() != "urn:curfew:not-ready" || a.Header.Get("Retry-After") == "" || a.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("got %d %s %v", a.StatusCode, a.body, a.Header)
		}
	}
	if a := g.get("/api/x", tokentest.New(t, g.issuer.URL).Sign(g.claims("alice"))); a.StatusCode != 503 {
		t.Errorf("a token of a key that nobody published: %d", a.StatusCode)
	}
	if a := g.get("/api/x", ""); a.StatusCode != 401 {
		t.Errorf("without a token: %d", a.StatusCode)
	}
	if g.upstream.count() != before {
		t.Error("the upstream was contacted")
	}
	if a := g.get("/public", ""); a.StatusCode != 200 {
		t.Errorf("a public route: %d", a.StatusCode)
	}
	g.issuer.Fail(nil)
	g.awaitStatus("/api/x", first, 200)
	g.readiness(true, map[string]bool{g.issuer.URL: true, other.URL: true})
}

// F4: what a secret or directory can't be read from, or can't be meant, does
// not load, neither first nor as a reload; and a reload that fails changes
// nothing.
func TestF4UnusableSecretsAndDirectories(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := func(path string) string { return "{file." + path + "}" }
	secret := func(s string) string { return strings.Replace(sites, helpdesk, s, 1) }
	t.Setenv("CURFEW_TEST_SHORT", "0123456789abcde")
	g := start(t, global, sites)
	token := g.token("alice")
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "mallory"})
	if a := g.get("/", token); a.StatusCode != 200 {
		t.Fatalf("before: %d", a.StatusCode)
	}
	counters := func() string { return grep(fetch(t, g.health+"/metrics"), `curfew_decisions_total{decision="admit"`) }
	counted := counters()
	for name, c := range map[string][2]string{
		"missing file":      {global, secret(file(filepath.Join(dir, "none")))},
		"empty file":        {global, secret(file(write("empty", "")))},
		"blank file":        {global, secret(file(write("blank", "\n\n")))},
		"one character":     {global, secret("a")},
		"15 characters":     {global, secret("0123456789abcde")},
		"short file":        {global, secret(file(write("short", "0123456789abcde\n")))},
		"short variable":    {global, secret("{env.CURFEW_TEST_SHORT}")},
		"binary file":       {global, secret(file(write("binary", "\x00\x01secret-of-the-tests")))},
		"huge file":         {global, secret(file(write("huge", strings.Repeat("a", 1<<20))))},
		"directory":         {global, secret(file(dir))},
		"device":            {global, secret(file("/dev/null"))},
		"unset variable":    {global, secret("{env.CURFEW_TEST_NOT_SET}")},
		"embedded variable": {global, secret("prefix-of-16-bytes{env.CURFEW_TEST_NOT_SET}")},
		"unknown source":    {global, secret("{vault.secret/curfew}")},
		"missing directory": {strings.Replace(global, "DIR", filepath.Join(dir, "none"), 1), sites},
		"file as directory": {strings.Replace(global, "DIR", write("file", "x"), 1), sites},
		"empty audience":    {strings.Replace(global, "audience api", `audience ""`, 1), sites},
		"no audience":       {strings.Replace(global, "audience api", "", 1), sites},
		"symmetric":         {strings.Replace(global, "client web", "algorithms HS256", 1), sites},
		"none":              {strings.Replace(global, "client web", "algorithms none", 1), sites},
		"far and plain":     {strings.Replace(global, "issuer ISSUER", "issuer http://login.example.com", 1), sites},
		"unknown policy":    {global, strings.Replace(sites, "@billing billing", "@billing nosuch", 1)},
		"same source twice": {global, strings.Replace(sites, "curfew @guarded {", "curfew @guarded {\n\t\ttoken_from header\n\t\ttoken_from header\n", 1)},
		"names that fold":   {global, strings.Replace(sites, "identity_header X-User-Email email", "identity_header X-User-Email email\n\t\tidentity_header X_User.Email name", 1)},
		"reserved, folded":  {global, strings.Replace(sites, "X-User-Email", "X_Forwarded_For", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			err := g.tryLoad(c[0], c[1])
			if err == nil {
				t.Fatal("it loaded")
			}
			if strings.Contains(err.Error(), "secret-of-the-tests") {
				t.Errorf("the error shows a secret: %v", err)
			}
			if a := g.get("/", token); a.StatusCode != 200 {
				t.Errorf("the old configuration answers %d", a.StatusCode)
			}
			if a := g.call(helpdesk, "GET", "/v1/nodes", nil); a.StatusCode != 200 {
				t.Errorf("the old API answers %d", a.StatusCode)
			}
			if text := fetch(t, g.endpoint+"/curfew/v1/nodes"); !strings.Contains(text, `"ready"`) {
				t.Errorf("the admin endpoint answers %s", text)
			}
		})
	}
	if a := g.get("/", g.token("mallory")); a.StatusCode != 401 {
		t.Errorf("the revoked is let in: %d", a.StatusCode)
	}
	if now := counters(); len(now) == 0 || now == counted && len(counted) == 0 {
		t.Errorf("the counters were reset: %q, before %q", now, counted)
	}
	if now := counters(); number(now) < number(counted) {
		t.Errorf("the counters went back: %q, before %q", now, counted)
	}
}

// grep returns the first line with that beginning.
func grep(text, beginning string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, beginning) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// number is the value at the end of a line of metrics.
func number(line string) (n float64) {
	_, _ = fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &n)
	return n
}

// F5: a token is for whom its audience names, and its issuer may only name its own.
func TestF5Audiences(t *testing.T) {
	g := start(t, global, sites)
	for _, c := range []struct {
		aud  any
		want int
	}{
		{nil, 401},
		{"", 401},
		{[]string{}, 401},
		{[]any{nil}, 401},
		{"other", 401},
		{"API", 401},
		{"api ", 401},
		{"api/", 401},
		{[]string{"other"}, 401},
		{map[string]string{"api": "api"}, 401},
		{true, 401},
		{[]any{[]string{"api"}}, 401},
		{"api", 200},
		{[]string{"api"}, 200},
		{[]string{"other", "api"}, 200},
	} {
		before := g.upstream.count()
		a := g.get("/", g.token("alice", tokentest.Claims{"aud": c.aud}))
		if a.StatusCode != c.want || c.want != 200 && g.upstream.count() != before {
			t.Errorf("aud %#v: %d, want %d", c.aud, a.StatusCode, c.want)
		}
	}
}

// F5: with several issuers, each guard takes what it names, and no issuer opens
// the services of another by naming their audience.
func TestF5AudiencesOfTwoIssuers(t *testing.T) {
	g, other := startTwo(t, nil)
	sign := func(i *tokentest.Issuer, aud ...string) string {
		return i.Sign(g.claims("alice"), tokentest.Claims{"iss": i.URL, "aud": aud})
	}
	g.awaitStatus("/api/x", sign(g.issuer, "api"), 200)
	g.awaitStatus("/shop/x", sign(other, "shop"), 200)
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/api/x", sign(other, "shop"), 401},
		{"/api/x", sign(other, "shop", "api"), 401},
		{"/shop/x", sign(g.issuer, "api"), 401},
		{"/byaudience/x", sign(g.issuer, "api"), 200},
		{"/byaudience/x", sign(other, "shop"), 401},
		{"/byaudience/x", sign(other, "shop", "api"), 401},
		{"/both/x", sign(other, "shop"), 200},
		{"/both/x", sign(g.issuer, "api"), 200},
		{"/both/x", sign(g.issuer, "shop"), 401},
	} {
		for range 2 { // verified, and from the cache
			if a := g.get(c.path, c.token); a.StatusCode != c.want {
				t.Errorf("%s: %d, want %d", c.path, a.StatusCode, c.want)
			}
		}
	}
}

// F6: what a token must have.
func TestF6MissingClaims(t *testing.T) {
	g := start(t, global, sites)
	now := time.Now().Unix()
	for _, change := range []tokentest.Claims{
		{"exp": nil},
		{"iat": nil},
		{"sub": nil},
		{"iss": nil},
		{"sub": ""},
		{"sub": 7},
		{"sub": strings.Repeat("x", 5000)},
		{"exp": "9999999999"},
		{"exp": 1e300},
		{"exp": -1},
		{"exp": now + 30*24*3600},
		{"iat": now + 3600},
		{"auth_time": now + 3600},
		{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}},
		{"cnf": map[string]string{"jkt": "x"}},
		{"nbf": now + 3600},
	} {
		before := g.upstream.count()
		a := g.get("/", g.token("alice", change))
		if a.StatusCode != 401 || a.problem() != "urn:curfew:invalid-token" || g.upstream.count() != before {
			t.Errorf("%.80v: %d %s", change, a.StatusCode, a.body)
		}
	}
}

// F7: two defects never make a token good, and the gravest is the answer.
func TestF7PairsOfDefects(t *testing.T) {
	g := start(t, global, sites)
	now := time.Now().Unix()
	type defect struct {
		name    string
		rank    int // smaller is graver
		problem string
		claims  tokentest.Claims
		spoil   func(string) string
		target  func(sub string)
	}
	spoilt := func(token string) string {
		at := strings.LastIndexByte(token, '.') + 5
		c := "A"
		if token[at] == 'A' {
			c = "B"
		}
		return token[:at] + c + token[at+1:]
	}
	const invalid = "urn:curfew:invalid-token"
	defects := []defect{
		{"expired", 1, invalid, tokentest.Claims{"exp": now - 10}, nil, nil},
		{"signature", 1, invalid, nil, spoilt, nil},
		{"unsigned", 1, invalid, nil, func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] }, nil},
		{"audience", 1, invalid, tokentest.Claims{"aud": "other"}, nil, nil},
		{"issuer", 1, invalid, tokentest.Claims{"iss": "https://login.example.com"}, nil, nil},
		{"future", 1, invalid, tokentest.Claims{"iat": now + 1000, "exp": now + 2000}, nil, nil},
		{"blocked", 2, "urn:curfew:blocked", nil, nil, func(sub string) {
			a := g.call(helpdesk, "POST", "/v1/blocks", map[string]any{"target": map[string]string{"iss": g.issuer.URL, "sub": sub}})
			if a.StatusCode != 201 {
				t.Fatalf("blocking: %d %s", a.StatusCode, a.body)
			}
		}},
		{"signed out", 3, "urn:curfew:signed-out", nil, nil, func(sub string) { g.revoke(map[string]string{"iss": g.issuer.URL, "sub": sub}) }},
		{"revoked", 4, "urn:curfew:revoked", nil, nil, func(sub string) {
			g.revoke(map[string]string{"iss": g.issuer.URL, "jti": "jti-of-" + sub})
		}},
		{"weak", 5, "urn:curfew:step-up-required", tokentest.Claims{"acr": "pwd"}, nil, nil},
		{"scope", 6, "urn:curfew:insufficient-scope", tokentest.Claims{"scope": "read"}, nil, nil},
	}
	for i, a := range defects {
		for _, b := range defects[i:] {
			sub := fmt.Sprintf("%s+%s", a.name, b.name)
			token := g.token(sub, tokentest.Claims{"acr": "mfa", "scope": "billing:write", "jti": "jti-of-" + sub}, a.claims, b.claims)
			for n, d := range []defect{a, b} {
				if d.spoil != nil && (n == 0 || a.name != b.name) { // spoilt twice alike may be mended
					token = d.spoil(token)
				}
				if d.target != nil {
					d.target(sub)
				}
			}
			want := a.problem
			if b.rank < a.rank {
				want = b.problem
			}
			before := g.upstream.count()
			got := g.get("/billing", token)
			if got.problem() != want || g.upstream.count() != before {
				t.Errorf("%s: %d %s, want %s", sub, got.StatusCode, got.body, want)
			}
		}
	}
	good := g.token("nobody", tokentest.Claims{"acr": "mfa", "scope": "billing:write"})
	if a := g.get("/billing", good); a.StatusCode != 200 {
		t.Errorf("without a defect: %d %s", a.StatusCode, a.body)
	}
}

// F8: whatever way a request is refused, nothing of it reaches the upstream.
func TestF8RefusedNeverReaches(t *testing.T) {
	site := strings.Replace(everyRoute, "reverse_proxy UPSTREAM\n\thandle_errors {\n\t\trewrite * /error-page\n\t\treverse_proxy UPSTREAM\n\t}",
		"@sign path /sign/*\n\tcurfew @sign {\n\t\tsign_in_url https://login.example.com/start\n\t}\n\treverse_proxy UPSTREAM\n\thandle_errors {\n\t\trespond \"{http.curfew.reason} {http.curfew.problem_type}\"\n\t}", 1)
	g := start(t, global, site)
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "mallory"})
	tokens := []string{"", "garbage", g.token("mallory"), g.token("alice", tokentest.Claims{"exp": 1})}
	for _, path := range []string{"/guarded/x", "/twice/x", "/handled/x", "/sign/x", "/preflight/x", "/optional/x"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
			for _, token := range tokens {
				if token == "" && path == "/optional/x" {
					continue
				}
				before := g.upstream.count()
				a := g.get(path, token, func(r *http.Request) {
					r.Method = method
					r.Header.Set("Accept", "text/html")
				})
				if a.StatusCode != 401 && a.StatusCode != 302 || g.upstream.count() != before {
					t.Errorf("%s %s: %d, upstream %d", method, path, a.StatusCode, g.upstream.count()-before)
				}
				if a.StatusCode == 302 && (path != "/sign/x" || method != "GET") {
					t.Errorf("%s %s: sent to sign in", method, path)
				}
				if a.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s %s: may be cached", method, path)
				}
			}
		}
	}
	if a := g.get("/handled/x", "garbage"); a.body != "invalid-token urn:curfew:invalid-token" {
		t.Errorf("the error route says %q", a.body)
	}
}

// F-11: known keys serve on while the provider fails, whatever it answers.
func TestF11ProviderOutage(t *testing.T) {
	g := start(t, global, sites)
	token, stranger := g.token("alice"), tokentest.New(t, g.issuer.URL)
	stranger.Rotate(tokentest.NewKey(t, "unknown", "ES256"))
	for name, h := range map[string]http.HandlerFunc{
		"500":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"empty":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"hang":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		g.issuer.Fail(h)
		if a := g.get("/", g.token("alice", tokentest.Claims{"jti": "new-" + name})); a.StatusCode != 200 {
			t.Errorf("%s: a new token of a known key: %d", name, a.StatusCode)
		}
		began := time.Now()
		if a := g.get("/", stranger.Sign(g.claims("alice"))); a.StatusCode != 401 || time.Since(began) > tooLong {
			t.Errorf("%s: an unknown key: %d after %v", name, a.StatusCode, time.Since(began))
		}
	}
	g.issuer.Fail(nil)
	if a := g.get("/", token); a.StatusCode != 200 {
		t.Errorf("afterwards: %d", a.StatusCode)
	}
}

// F-19: what is too large costs a refusal.
func TestF19HugeTokensAndHeaders(t *testing.T) {
	g := start(t, global, sites)
	for name, value := range map[string]string{
		"20 KB":        strings.Repeat("A", 20<<10),
		"dots":         strings.Repeat(".", 500<<10),
		"large claims": g.token("alice", tokentest.Claims{"junk": strings.Repeat("x", 20<<10)}),
		"1.5 MB":       strings.Repeat("A", 3<<19),
	} {
		before := g.upstream.count()
		began := time.Now()
		if a := g.ask("GET", "/", "Authorization: Bearer "+value); a.StatusCode != 401 && a.StatusCode != 431 && a.StatusCode != 400 || g.upstream.count() != before {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
		if took := time.Since(began); took > tooLong {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// F-20: those who are slow hold nobody else up.
func TestF20SlowClients(t *testing.T) {
	g := start(t, global, sites)
	token := g.token("alice")
	var slow []*wire
	for n := range howMany(300, 4000) {
		w := dial(t, g.app)
		switch n % 3 {
		case 0:
			w.say("GET / HTTP/1.1\nHost: " + g.host() + "\nAuthorization: Bearer ")
		case 1:
			w.say("POST / HTTP/1.1\nHost: " + g.host() + "\nAuthorization: Bearer " + token + "\nContent-Length: 100000\n\nx")
		case 2:
			w.say("POST /v1/revocations HTTP/1.1\nHost: " + g.host() + "\nContent-Length: 1000\n\n{")
		}
		slow = append(slow, w)
	}
	began := time.Now()
	for range 50 {
		if a := g.get("/", token); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	if took := time.Since(began); took > tooLong {
		t.Errorf("50 requests took %v", took)
	}
	for _, w := range slow {
		_ = w.conn.Close()
	}
}

// F-22: duplicates, repetitions and any order of records come to the same.
func TestF22DuplicatesAndOrder(t *testing.T) {
	g := start(t, global, sites)
	now := time.Now()
	target := map[string]string{"iss": g.issuer.URL, "sub": "alice"}
	id := ""
	for n := range howMany(30, 1000) {
		a := g.call(helpdesk, "POST", "/v1/revocations", map[string]any{"target": target, "at": now.Add(-50 * time.Second).Format(time.RFC3339)},
			func(r *http.Request) { r.Header.Set("Idempotency-Key", "the-same-key") })
		got := jsonOf(t, a.body)["id"]
		if a.StatusCode != 201 || id != "" && got != id || n > 0 && a.Header.Get("Idempotent-Replayed") != "true" {
			t.Fatalf("repetition %d: %d %v %v", n, a.StatusCode, got, a.Header)
		}
		id = got.(string)
	}
	// Later instants, then earlier ones: the latest holds.
	for _, back := range []int{60, 10, 300, 50, 10, 200} {
		g.revoke(target, map[string]any{"at": now.Add(-time.Duration(back) * time.Second).Format(time.RFC3339)})
	}
	for authenticated, want := range map[int64]int{11: 401, 9: 401, 7: 200, 300: 401} {
		at := now.Unix() - authenticated
		if a := g.get("/", g.token("alice", tokentest.Claims{"auth_time": at, "iat": at})); a.StatusCode != want {
			t.Errorf("signed in %d s ago: %d %s, want %d", authenticated, a.StatusCode, a.body, want)
		}
	}
}
