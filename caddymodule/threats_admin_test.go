package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

// records is how many records the ledger has.
func (g *gateway) records() float64 {
	g.t.Helper()
	return number(grep(fetch(g.t, g.health+"/metrics"), "curfew_ledger_last_sequence"))
}

// T1: no page of another site, and no rebound name, reaches the API; and being
// local is no credential.
func TestT1ForeignOrigins(t *testing.T) {
	g := start(t, global, sites)
	cut := fmt.Sprintf(`{"target":{"iss":%q,"sub":"alice"}}`, g.issuer.URL)
	before := g.records()
	for _, c := range []struct {
		name   string
		secret string
		want   []int
		edit   func(*http.Request)
	}{
		{"foreign origin", helpdesk, []int{403}, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }},
		{"null origin", helpdesk, []int{403}, func(r *http.Request) { r.Header.Set("Origin", "null") }},
		{"origin of another port", helpdesk, []int{403}, func(r *http.Request) { r.Header.Set("Origin", g.app) }},
		{"two origins", helpdesk, []int{403}, func(r *http.Request) { r.Header["Origin"] = []string{g.admin, g.admin} }},
		{"cross-site", helpdesk, []int{403}, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }},
		{"same-site", helpdesk, []int{403}, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }},
		{"plain text", helpdesk, []int{403, 415}, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }},
		{"form", helpdesk, []int{403, 415}, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }},
		{"no type", helpdesk, []int{403, 415}, func(r *http.Request) { r.Header.Del("Content-Type") }},
		{"no credential on loopback", "", []int{401}, nil},
		{"a user's token", g.token("alice"), []int{401, 403}, nil},
		{"read only", "reading-secret-of-the-tests", []int{403}, nil},
		{"secret in a cookie", "", []int{401}, func(r *http.Request) { r.Header.Set("Cookie", "token="+helpdesk) }},
		{"secret in the query", "", []int{401}, func(r *http.Request) { r.URL.RawQuery = "access_token=" + helpdesk }},
		{"basic", "", []int{401}, func(r *http.Request) { r.SetBasicAuth("helpdesk", helpdesk) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var edits []func(*http.Request)
			if c.edit != nil {
				edits = append(edits, c.edit)
			}
			a := g.call(c.secret, "POST", "/v1/revocations", cut, edits...)
			for _, status := range c.want {
				if a.StatusCode == status {
					return
				}
			}
			t.Errorf("got %d %s", a.StatusCode, a.body)
		})
	}
	// DNS rebinding: the name is foreign, and so is all that comes with it.
	a := g.call(helpdesk, "POST", "/v1/revocations", cut, func(r *http.Request) { r.Host = "evil.example" })
	if strings.Contains(a.body, "position") {
		t.Errorf("another host is answered: %s", a.body)
	}
	for _, edit := range []func(*http.Request){
		func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		func(r *http.Request) { r.Header.Set("Origin", "null") },
		func(r *http.Request) { r.Host = "evil.example" },
		func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "no-cors") },
	} {
		if a := g.endpointCall("POST", "/curfew/v1/revocations", cut, edit); a.StatusCode < 400 {
			t.Errorf("Caddy's own endpoint: %d %s", a.StatusCode, a.body)
		}
	}
	if now := g.records(); now != before {
		t.Errorf("the ledger went from %v to %v records", before, now)
	}
}

// endpointCall asks Caddy's own admin endpoint.
func (g *gateway) endpointCall(method, path, body string, edit ...func(*http.Request)) answer {
	g.t.Helper()
	req, err := http.NewRequest(method, g.endpoint+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for _, e := range edit {
		e(req)
	}
	return g.do(req)
}

// T2: what is authorised is the route that is served, in one spelling.
func TestT2PathsOfTheAPI(t *testing.T) {
	g := start(t, global, sites)
	if a := g.call(helpdesk, "GET", "/v1/nodes", nil); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	for _, path := range []string{
		"/v1/nodesx", "/v1/nodes/", "//v1/nodes", "/v1//nodes", "/v1/nodes/.", "/v1/./nodes", "/v1/x/../nodes", "/V1/nodes", "/v1/Nodes",
		"/v1/%6eodes", "/v1%2fnodes", "/v1/nodes;x", "/v1/nodes%00", "/v1/revocations/../nodes", "/v1/revocations/%2e%2e/nodes",
		"/curfew/v1/nodes", "/v1/revocations/rev_1.2.3/x", "/v1/revocations/..%2fnodes", "/",
	} {
		for _, secret := range []string{helpdesk, ""} {
			if got := g.askAdmin(path, secret); got != 404 && got != 400 && got != 405 {
				t.Errorf("%s: %d", path, got)
			}
		}
	}
}

func (g *gateway) askAdmin(target, secret string) int {
	g.t.Helper()
	w := dial(g.t, g.admin)
	defer w.conn.Close()
	text := "GET " + target + " HTTP/1.1\nHost: " + strings.TrimPrefix(g.admin, "http://") + "\nConnection: close\n"
	if secret != "" {
		text += "Authorization: Bearer " + secret + "\n"
	}
	w.say(text + "\n")
	a, ok := w.hear("GET")
	if !ok {
		return 400
	}
	return a.StatusCode
}

// T4: a subject is its bytes, of its issuer. Nothing that looks like it is cut
// with it, and nothing in it is a pattern.
func TestT4SubjectsAreBytes(t *testing.T) {
	g, other := startTwo(t, nil)
	g.awaitStatus("/api/x", g.token("nobody"), 200)
	g.awaitStatus("/shop/x", other.Sign(g.claims("nobody"), tokentest.Claims{"iss": other.URL, "aud": "shop"}), 200)
	alike := []string{
		"alice", "Alice", "ALICE", "alice ", " alice", "al\u0131ce", "ali\u200bce", "zo\u00eb", "zoe\u0308", "stra\u00dfe", "strasse", "\u0130", "i\u0307",
		"a@b", "a@b@c", "*", ".*", "%", "a*", "{env.HOME}", "../alice", "alice/..", "a.b.>", "null", "0", "00",
	}
	for i, sub := range alike {
		session := tokentest.Claims{"sid": fmt.Sprintf("s%d", i), "device_id": nil}
		g.revoke(map[string]string{"iss": g.issuer.URL, "sub": sub})
		for j, near := range alike {
			want := 200
			if j <= i {
				want = 401
			}
			session["sid"] = fmt.Sprintf("s%d", j)
			if a := g.get("/api/x", g.token(near, session)); a.StatusCode != want {
				t.Errorf("after %q was signed out, %q gets %d, want %d", sub, near, a.StatusCode, want)
			}
		}
		theirs := other.Sign(g.claims(sub), tokentest.Claims{"iss": other.URL, "aud": "shop"})
		if a := g.get("/shop/x", theirs); a.StatusCode != 200 {
			t.Errorf("%q of another issuer gets %d", sub, a.StatusCode)
		}
	}
	for _, target := range []map[string]string{
		{"iss": g.issuer.URL, "email": "alice@example.com"},
		{"iss": g.issuer.URL + "/", "sub": "alice"},
		{"iss": strings.ToUpper(g.issuer.URL), "sub": "alice"},
		{"sub": "alice"},
		{"iss": "https://login.example.com", "sub": "alice"},
		{"iss": g.issuer.URL, "sub": ""},
	} {
		if a := g.call(helpdesk, "POST", "/v1/revocations", map[string]any{"target": target}); a.StatusCode != 422 && a.StatusCode != 400 {
			t.Errorf("%v: %d %s", target, a.StatusCode, a.body)
		}
	}
}

// T6: what the server sets can't be supplied, and what it doesn't know is refused.
func TestT6UnknownMembers(t *testing.T) {
	g := start(t, global, sites)
	before := g.records()
	target := fmt.Sprintf(`"target":{"iss":%q,"sub":"alice"}`, g.issuer.URL)
	for _, body := range []string{
		`{` + target + `,"actor":"root"}`, `{` + target + `,"source":"cli"}`, `{` + target + `,"id":"rev_1.1.0"}`, `{` + target + `,"position":"9.9"}`,
		`{` + target + `,"exempt_clients":[]}`, `{` + target + `,"created_at":"2020-01-01T00:00:00Z"}`, `{` + target + `,"unknown":1}`,
		`{` + target + `,"Reason":"x"}`, `{` + target + `,"reason":"x","reason":"y"}`, `{` + target + `,` + target + `}`,
		fmt.Sprintf(`{"target":{"iss":%q,"sub":"alice","Sub":"bob"}}`, g.issuer.URL), fmt.Sprintf(`{"target":{"iss":%q,"sub":"a","sub":"b"}}`, g.issuer.URL),
		fmt.Sprintf(`{"target":{"iss":%q,"sub":"a","role":"x"}}`, g.issuer.URL), `{` + target + `} {}`, `[{` + target + `}]`, `null`, `"x"`, `{`,
	} {
		if a := g.call(helpdesk, "POST", "/v1/revocations", body); a.StatusCode != 400 && a.StatusCode != 422 {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
		}
	}
	if now := g.records(); now != before {
		t.Errorf("the ledger went from %v to %v records", before, now)
	}
}

// T8: where metrics are served, nothing else is.
func TestT8MetricsListener(t *testing.T) {
	g := start(t, global, sites)
	for _, path := range []string{
		"/", "/debug/pprof/", "/debug/vars", "/config/", "/v1/nodes", "/curfew/v1/nodes", "/openapi.json", "/metrics/../config/", "/stop", "/load",
	} {
		a := g.do(mustGet(g.health + path))
		if a.body != "" {
			t.Errorf("%s: %d %.100s", path, a.StatusCode, a.body)
		}
	}
	text := fetch(t, g.health+"/metrics")
	g.get("/secret-path-canary", g.token("subject-canary", tokentest.Claims{"client_id": "client-canary"}))
	for _, canary := range []string{"canary", "alice", helpdesk} {
		if strings.Contains(text+fetch(t, g.health+"/metrics"), canary) {
			t.Errorf("metrics show %q", canary)
		}
	}
}

// T9: nothing that a caller says breaks out of its line of the log, or out of
// its record; and no secret is in it.
func TestT9LogInjection(t *testing.T) {
	logs := filepath.Join(t.TempDir(), "log.json")
	g := prepare(t)
	g.logTo = logs
	g.load(global, strings.Replace(sites, "@guarded not", "log\n\t@guarded not", 1))
	g.awaitReady()
	for _, evil := range []string{"a\nb", "a\r\n{\"level\":\"error\"}", "\x1b[31mred", "\u2028", "\"},{\"", "a\x00b", "${jndi:ldap://x}"} {
		g.call(helpdesk, "POST", "/v1/revocations", map[string]any{
			"target": map[string]string{"iss": g.issuer.URL, "sub": "alice" + evil}, "reason": evil, "on_behalf_of": evil,
		})
		g.call(evil, "GET", "/v1/nodes", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer secret-canary") })
		g.get("/", g.token("bob"+evil, tokentest.Claims{"client_id": "client" + evil}))
	}
	text := readFile(t, logs)
	for line := range strings.Lines(text) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("a line is not an entry: %v: %.200s", err, line)
		}
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\x00\n\r") {
			t.Errorf("a control character is in the log: %.200q", line)
		}
	}
	for _, secret := range []string{"secret-canary", helpdesk, breakGlass} {
		if strings.Contains(text, secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
	if !strings.Contains(text, "admin request") {
		t.Error("there is no audit line: this test looked at nothing")
	}
}

// T10: a document that is made to cost work costs little, and nothing at all
// without a credential.
func TestT10HostileDocuments(t *testing.T) {
	g := start(t, global, sites)
	before := g.records()
	for name, body := range map[string]string{
		"deep":       strings.Repeat(`{"target":`, 100000),
		"deep array": `{"reason":` + strings.Repeat("[", 200000) + strings.Repeat("]", 200000) + `}`,
		"many":       `{` + strings.Repeat(`"a":1,`, 100000) + `"b":2}`,
		"large":      `{"reason":"` + strings.Repeat("x", 4<<20) + `"}`,
		"number":     `{"max_affected":` + strings.Repeat("9", 500000) + `}`,
		"escapes":    `{"reason":"` + strings.Repeat(`\u0000`, 100000) + `"}`,
	} {
		began := time.Now()
		if a := g.call(helpdesk, "POST", "/v1/revocations", body); a.StatusCode < 400 || a.StatusCode >= 500 {
			t.Errorf("%s: %d %.200s", name, a.StatusCode, a.body)
		}
		if a := g.call("", "POST", "/v1/revocations", body); a.StatusCode != 401 {
			t.Errorf("%s without a credential: %d", name, a.StatusCode)
		}
		if took := time.Since(began); took > tooLong {
			t.Errorf("%s took %v", name, took)
		}
	}
	if now := g.records(); now != before {
		t.Errorf("the ledger went from %v to %v records", before, now)
	}
}

// Callers that come by way of a provider are who their issuer says: the same
// subject of two providers is two callers, and a provider that only the API
// knows works.
func TestAdminCallersOfProviders(t *testing.T) {
	g := prepare(t)
	other := tokentest.Start(t)
	g.load(global, strings.Replace(sites, "token dashboards", `oidc ISSUER {
			audience admin
			role write scope curfew.write
		}
		oidc `+other.URL+` {
			audience admin
			role write scope curfew.write
		}
		token dashboards`, 1))
	g.awaitReady()
	sign := func(i *tokentest.Issuer, changes ...tokentest.Claims) string {
		c := g.claims("operator")
		c["iss"], c["aud"], c["scope"] = i.URL, "admin", "curfew.write"
		return i.Sign(c, changes...)
	}
	body := map[string]any{"target": map[string]string{"iss": g.issuer.URL, "sub": "alice"}}
	actors := make(map[any]bool)
	for _, i := range []*tokentest.Issuer{g.issuer, other} {
		var a answer
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if a = g.call(sign(i), "POST", "/v1/revocations", body); a.StatusCode == 201 {
				break
			}
		}
		if a.StatusCode != 201 {
			t.Fatalf("%s: %d %s", i.URL, a.StatusCode, a.body)
		}
		actors[jsonOf(t, a.body)["actor"]] = true
		for name, change := range map[string]tokentest.Claims{"audience": {"aud": "api"}, "expired": {"exp": 1}} {
			if a := g.call(sign(i, change), "POST", "/v1/revocations", body); a.StatusCode != 401 {
				t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
			}
		}
		if a := g.call(sign(i, tokentest.Claims{"scope": "read"}), "POST", "/v1/revocations", body); a.StatusCode != 403 {
			t.Errorf("no role: %d %s", a.StatusCode, a.body)
		}
	}
	if len(actors) != 2 {
		t.Errorf("two callers have one name: %v", actors)
	}
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "operator"})
	if a := g.call(sign(g.issuer), "GET", "/v1/nodes", nil); a.StatusCode != 401 {
		t.Errorf("an operator who was signed out: %d", a.StatusCode)
	}
}
