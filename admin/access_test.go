package admin

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/revocation"
)

// everyPost is each operation that takes a JSON body, with one that is valid.
func everyPost() map[string]string {
	return map[string]string{
		"/v1/revocations":         alice(),
		"/v1/revocations/preview": alice(),
		"/v1/revocations/search":  `{}`,
		"/v1/blocks":              alice(),
		"/v1/blocks/search":       `{}`,
		"/v1/step-ups":            alice(),
		"/v1/step-ups/search":     `{}`,
		"/v1/devices/unlink":      text(object{"iss": issuer, "sub": "alice", "device_id": "pc"}),
		"/v1/sessions/search":     text(object{"iss": issuer, "sub": "alice"}),
		"/v1/explain":             `{"token":"x"}`,
	}
}

// T1: what a foreign page can make a browser send changes nothing.
func TestT1CrossSiteRequestsAreRefusedWithoutEffect(t *testing.T) {
	for name, authenticate := range map[string]func(*http.Request) (Caller, error){"with a token": tokens(t), "on the local endpoint": Local} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, func(c *Config) { c.Authenticate = authenticate })
			before := g.count()
			for name, change := range map[string]func(*http.Request){
				"foreign origin":     func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
				"null origin":        func(r *http.Request) { r.Header.Set("Origin", "null") },
				"origin's scheme":    func(r *http.Request) { r.Header.Set("Origin", "https://example.com") },
				"origin's port":      func(r *http.Request) { r.Header.Set("Origin", "http://example.com:8080") },
				"origin as a prefix": func(r *http.Request) { r.Header.Set("Origin", "http://example.com.evil.example") },
				"two origins":        func(r *http.Request) { r.Header["Origin"] = []string{"http://example.com", "http://example.com"} },
				"cross-site":         func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
				"same-site":          func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
				"text/plain":         func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
				"text/plain, json":   func(r *http.Request) { r.Header.Set("Content-Type", "Text/Plain; x=application/json") },
				"form":               func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
				"multipart":          func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") },
				"no content type":    func(r *http.Request) { r.Header.Del("Content-Type") },
				"two content types": func(r *http.Request) {
					r.Header["Content-Type"] = []string{"application/json", "text/plain"}
				},
			} {
				for path, body := range everyPost() {
					r := g.request("POST", path, body)
					change(r)
					if got := g.send(r); got.Code != 403 || got.problem().Type != "urn:curfew:cross-site" {
						t.Errorf("%s %s: %d %s", name, path, got.Code, got.Body)
					}
				}
			}
			id := g.post("/v1/blocks", alice()).want(201).receipt().ID
			lift := g.request("DELETE", "/v1/blocks/"+id, "x")
			lift.Header.Set("Content-Type", "text/plain")
			g.send(lift).want(403, "cross-site")
			if got := g.count(); got != before+1 {
				t.Errorf("%d records appeared", got-before)
			}
		})
	}
}

func TestT1TheOwnOriginIsLetIn(t *testing.T) {
	g := newGateway(t)
	g.with("Origin", "http://example.com").post("/v1/revocations", alice()).want(201)
	g.with("Sec-Fetch-Site", "same-origin").post("/v1/revocations", alice()).want(201)
	g.with("Content-Type", `application/json; charset="UTF-8"`).post("/v1/revocations", alice()).want(201)
	r := g.with("Origin", "https://example.com").request("POST", "/v1/revocations", alice())
	r.Host, r.TLS = "example.com:443", new(tls.ConnectionState)
	g.send(r).want(201)
}

func TestOtherContentTypes(t *testing.T) {
	g := newGateway(t)
	for _, ct := range []string{"application/xml", "application/json; charset=latin1", "application/x-ndjson", "application/jsonx", "application/json; x"} {
		g.with("Content-Type", ct).post("/v1/revocations", alice()).want(415, "unsupported-media-type")
	}
	g.post("/v1/revocations/import", alice()).want(415, "unsupported-media-type")
	for _, ct := range []string{"application/JSON; charset=utf-8", "APPLICATION/json"} {
		g.with("Content-Type", ct).post("/v1/revocations", alice()).want(201)
	}
	for _, ct := range []string{"application/jsonl", "application/ndjson", "application/X-NDJSON; charset=UTF-8"} {
		g.with("Content-Type", ct).post("/v1/revocations/import", alice()).want(200)
	}
}

// HEAD answers like GET, without a body and without a stream.
func TestHead(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g)
	defer server.Close()
	for path, want := range map[string]struct {
		token  string
		status int
		media  string
	}{
		"/v1/nodes":                 {readToken, 200, "application/json"},
		"/v1/events":                {readToken, 200, "text/event-stream"},
		"/openapi.json":             {"", 200, "application/json"},
		"/v1/revocations/rev_1.1.0": {readToken, 200, "application/json"},
		"/v1/revocations/rev_1.9.0": {readToken, 404, "application/problem+json"},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), "HEAD", server.URL+path, nil)
		r.Header.Set("Authorization", "Bearer "+want.token)
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if media := answer.Header.Get("Content-Type"); answer.StatusCode != want.status || media != want.media {
			t.Errorf("HEAD %s: %d %s, want %d %s", path, answer.StatusCode, media, want.status, want.media)
		}
	}
}

// T2: routes are exact, and refusals are problems.
func TestT2RoutesAreExact(t *testing.T) {
	g := newGateway(t)
	id := g.post("/v1/revocations", alice()).want(201).receipt().ID
	before := g.count()
	for _, path := range []string{
		"/v1", "/v1/", "/v1/x", "/v1/xy", "//v1/nodes", "/v1//nodes", "/v1/nodes/", "/v1/nodes/.", "/v1/./nodes", "/v1/x/../nodes", "/V1/nodes",
		"/v1/%6eodes", "/v1/nodes%2f", "/v1/nodesx", "/v1/revocations/" + id + "/", "/v1/revocations/" + id + "/x", "/v1/revocations/", "/v1/revocations/x",
		"/v1/revocations/%72ev_1.1.0", "/v1/revocations/rev_01.1.0", "/v1/revocations/rev_1.1.00", "/openapi.json/", "/openapi", "/docs", "/schemas/Target",
		"/openapi.yaml", "/openapi-3.0.json", "/v1/revocations/blk_" + strings.TrimPrefix(id, "rev_"), "/v1/revocations/" + strings.Repeat("9", 10<<10),
	} {
		g.do("GET", path, "").want(404, "not-found")
	}
	for _, path := range []string{"/v1/revocations/", "//v1/revocations", "/v1/revocations/.", "/v1/revocations%2fimport", "/v1/blocks/x/search"} {
		g.post(path, alice()).want(404, "not-found")
	}
	for path, allow := range map[string]string{
		"/v1/revocations": "POST", "/v1/revocations/" + id: "GET, HEAD", "/v1/blocks/search": "POST", "/v1/blocks/blk_1.2.0": "DELETE",
		"/v1/nodes": "GET, HEAD", "/v1/events": "GET, HEAD", "/openapi.json": "GET, HEAD",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "get", "X"} {
			if slices.Contains(strings.Split(allow, ", "), method) {
				continue
			}
			r := g.request("GET", path, "")
			r.Method = method
			if got := g.send(r).want(405, "method-not-allowed").Header().Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow %q", method, path, got)
			}
		}
	}
	if g.count() != before {
		t.Error("something was written")
	}
}

func TestPrefix(t *testing.T) {
	g := newGateway(t, func(c *Config) { c.Prefix = "/curfew"; c.Authenticate = Local })
	got := g.post("/curfew/v1/revocations", alice()).want(201)
	if want := "/curfew/v1/revocations/" + got.receipt().ID; got.Header().Get("Location") != want {
		t.Errorf("Location %q, want %q", got.Header().Get("Location"), want)
	}
	if r := g.last(); r.Source != "cli" || r.Actor != "cli" {
		t.Errorf("source %q, actor %q", r.Source, r.Actor)
	}
	g.do("GET", got.Header().Get("Location"), "").want(200)
	g.do("GET", "/curfew/openapi.json", "").want(200)
	g.post("/v1/revocations", alice()).want(404, "not-found")
	g.post("/curfew/curfew/v1/revocations", alice()).want(404, "not-found")
}

func TestCallers(t *testing.T) {
	g := newGateway(t)
	for name, values := range map[string][]string{
		"none":         nil,
		"wrong":        {"Bearer " + writeToken + "x"},
		"prefix":       {"Bearer " + writeToken[:len(writeToken)-1]},
		"empty":        {"Bearer "},
		"no scheme":    {writeToken},
		"basic":        {"Basic " + writeToken},
		"two":          {"Bearer " + writeToken, "Bearer " + writeToken},
		"two spaces":   {"Bearer  " + writeToken},
		"list":         {"Bearer " + writeToken + ", Bearer " + glassToken},
		"name as well": {"Bearer helpdesk"},
	} {
		for path, body := range everyPost() {
			r := g.as("").request("POST", path, body)
			r.Header["Authorization"] = values
			if values == nil {
				delete(r.Header, "Authorization")
			}
			got := g.send(r).want(401)
			if !strings.HasPrefix(got.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: WWW-Authenticate %q", name, got.Header().Get("WWW-Authenticate"))
			}
		}
	}
	for _, path := range []string{"/v1/nodes", "/v1/events", "/v1/revocations/rev_1.1.0"} {
		g.as("").do("GET", path, "").want(401, "no-credential")
	}
	g.as("").do("DELETE", "/v1/blocks/blk_1.1.0", "").want(401, "no-credential")
	for _, nothing := range []string{"", " \t"} {
		g.with("Authorization", nothing).do("GET", "/v1/nodes", "").want(401, "no-credential")
	}
	g.with("Authorization", "bearer "+readToken).do("GET", "/v1/nodes", "").want(200)
	if g.count() != 1 {
		t.Error("something was written")
	}
	if s := g.log.String(); strings.Contains(s, writeToken[:12]) {
		t.Error("the audit holds a credential")
	}
}

func TestAnAuthenticatorMayAnswerForItself(t *testing.T) {
	g := newGateway(t, func(c *Config) {
		c.Authenticate = func(*http.Request) (Caller, error) {
			return Caller{}, errors.Join(errors.New("x"), httpapi.Forbidden.Because("not from here"))
		}
	})
	g.do("GET", "/v1/nodes", "").want(403, "forbidden")
}

func TestRoles(t *testing.T) {
	g := newGateway(t)
	reads := []string{"/v1/revocations/preview", "/v1/revocations/search", "/v1/blocks/search", "/v1/step-ups/search", "/v1/sessions/search", "/v1/explain"}
	for path, body := range everyPost() {
		if slices.Contains(reads, path) {
			g.as(readToken).post(path, body).want(200)
			continue
		}
		g.as(readToken).post(path, body).want(403, "forbidden")
		g.as(writeToken).post(path, body).want(201)
	}
	g.as(readToken).with("Content-Type", "application/x-ndjson").post("/v1/revocations/import", alice()).want(403, "forbidden")
	g.as(readToken).do("DELETE", "/v1/blocks/blk_1.1.0", "").want(403, "forbidden")
	for _, target := range [][]string{
		{"iss", issuer, "device_id", "d"},
		{"iss", issuer, "tenant", "t"},
		{"iss", issuer, "client_id", "c"},
		{"iss", issuer},
		{"iss", issuer, "kid", "k"},
	} {
		for _, path := range []string{"/v1/revocations", "/v1/blocks", "/v1/step-ups"} {
			g.as(writeToken).post(path, onTargetOf(target...)).want(403, "forbidden")
			g.post(path, onTargetOf(target...)).want(409, "preview-required")
		}
	}
	for _, target := range [][]string{
		{"iss", issuer, "sub", "s"},
		{"iss", issuer, "sub", "s", "client_id", "c"},
		{"iss", issuer, "sub", "s", "device_id", "d"},
		{"iss", issuer, "sub", "s", "device_id", "d", "client_id", "c"},
		{"iss", issuer, "sid", "s"},
		{"iss", issuer, "jti", "j"},
		{"jkt", "k"},
		{"x5t_s256", "k"},
	} {
		for _, path := range []string{"/v1/revocations", "/v1/blocks", "/v1/step-ups"} {
			g.as(writeToken).post(path, onTargetOf(target...)).want(201)
		}
	}
}

func TestALiftTakesTheRoleOfItsBlock(t *testing.T) {
	g := newGateway(t)
	body := object{"target": object{"iss": issuer, "tenant": "acme"}}
	body["preview_id"] = g.previewed(text(body)).PreviewID
	id := g.post("/v1/blocks", text(body)).want(201).receipt().ID
	g.as(writeToken).do("DELETE", "/v1/blocks/"+id, "").want(403, "forbidden")
	if !g.refused(revocation.Credential{Issuer: issuer, Subject: "x", Tenant: "acme"}) {
		t.Error("the block was lifted")
	}
	g.do("DELETE", "/v1/blocks/"+id, "").want(200)
}

func TestSecretsAreReadAgain(t *testing.T) {
	current, broken := readToken, error(nil)
	auth, err := httpapi.Bearer([]httpapi.NamedToken{
		{Name: "rotated", Role: Read, Secret: func() ([]byte, error) { return []byte(current), broken }},
		{Name: "rotated", Role: Write, Secret: func() ([]byte, error) { return []byte(writeToken), nil }},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, func(c *Config) { c.Authenticate = auth })
	g.as(readToken).do("GET", "/v1/nodes", "").want(200)
	current = "another-token-0123456789"
	g.as(readToken).do("GET", "/v1/nodes", "").want(401, "invalid-token")
	g.as(current).do("GET", "/v1/nodes", "").want(200)
	current = ""
	g.as("short").do("GET", "/v1/nodes", "").want(401, "invalid-token")
	current, broken = readToken, errors.New("gone")
	g.as(readToken).do("GET", "/v1/nodes", "").want(401, "invalid-token")
	g.as(writeToken).post("/v1/revocations", alice()).want(201)
}

// What is no secret any more opens nothing, and the log says so once, without
// the secret.
func TestASecretThatCannotBeUsedAnyMoreIsLogged(t *testing.T) {
	current, broken := readToken, error(nil)
	log := new(bytes.Buffer)
	auth, err := httpapi.Bearer([]httpapi.NamedToken{
		{Name: "dashboards", Role: Read, Secret: func() ([]byte, error) { return []byte(current), broken }},
		{Name: "helpdesk", Role: Write, Secret: func() ([]byte, error) { return []byte(writeToken), nil }},
		{Name: "helpdesk", Role: Write, Secret: func() ([]byte, error) { return []byte(glassToken), nil }},
	}, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, func(c *Config) { c.Authenticate = auth })
	for _, c := range []struct {
		name, secret string
		err          error
		status       int
		logged       []string // of each line
	}{
		{"as it was loaded", readToken, nil, 200, nil},
		{"one character", "a", nil, 401, []string{"it has 1 characters: use at least 16"}},
		{"still", "a", nil, 401, nil},
		{"mended", "another-token-0123456789", nil, 200, []string{"can be used again"}},
		{"15 characters", "0123456789abcde", nil, 401, []string{"at least 16"}},
		{"a line break", "0123456789\nabcdef", nil, 401, nil},
		{"empty", "", nil, 401, nil},
		{"16 characters", "0123456789abcdef", nil, 200, []string{"can be used again"}},
		{"gone", "0123456789abcdef", errors.New("no such file"), 401, []string{"no such file"}},
		{"back", "0123456789abcdef", nil, 200, []string{"can be used again"}},
		{"that of a greater one", writeToken, nil, 401, []string{"the same secret", "the same secret"}},
	} {
		current, broken = c.secret, c.err
		log.Reset()
		got := g.as(c.secret).do("GET", "/v1/nodes", "").Code
		lines := strings.SplitAfter(log.String(), "\n")
		if got != c.status || len(lines) != len(c.logged)+1 {
			t.Errorf("%s: status %d, want %d; the log says %s", c.name, got, c.status, log)
			continue
		}
		for i, want := range c.logged {
			if !strings.Contains(lines[i], want) || len(c.secret) > 1 && strings.Contains(lines[i], c.secret) {
				t.Errorf("%s: the log says %s, want %q and no secret", c.name, lines[i], want)
			}
		}
	}
	// Two files of one caller may have the same text while they are rotated.
	current = readToken
	g.as(writeToken).post("/v1/revocations", alice()).want(201)
}

// T10: what a document may cost is bounded, and unauthenticated ones cost nothing.
func TestT10Bodies(t *testing.T) {
	g := newGateway(t)
	bomb := `{"target":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`
	g.post("/v1/revocations", bomb).want(400, "invalid-request")
	g.as("").post("/v1/revocations", bomb).want(401, "no-credential")
	large := alice() + strings.Repeat(" ", httpapi.MaxBody-len(alice()))
	g.post("/v1/revocations", large).want(201)
	g.post("/v1/revocations", large+" ").want(413, "too-large")
	r := g.request("POST", "/v1/revocations", large+" ")
	r.ContentLength = -1
	g.send(r).want(413, "too-large")
	for path := range everyPost() {
		for name, body := range map[string]string{
			"trailing data": `{} {}`, "array": `[]`, "string": `"x"`, "null": `null`, "cut off": `{"target":{"iss":"`, "no JSON": `hello`, "latin-1": "{\"a\":\"\xe9\"}",
		} {
			if got := g.post(path, body); got.Code != 400 && got.Code != 422 {
				t.Errorf("%s %s: %d %s", path, name, got.Code, got.Body)
			}
		}
		r := g.request("POST", path, "")
		r.Header.Set("Content-Type", "application/json")
		g.send(r).want(400, "invalid-request")
	}
	g.do("DELETE", "/v1/blocks/blk_1.1.0", `{}`).want(400, "invalid-request")
	if n := g.count(); n != 2 {
		t.Errorf("%d records", n)
	}
}

func TestObserve(t *testing.T) {
	var seen []string
	g := newGateway(t, func(c *Config) {
		c.Observe = func(operation string, code int, _ time.Duration) {
			seen = append(seen, operation+" "+http.StatusText(code))
		}
	})
	g.post("/v1/revocations", alice())
	g.as("").post("/v1/revocations", alice())
	g.do("GET", "/"+canary, "")
	if want := []string{"revoke Created", "revoke Unauthorized", "unknown Not Found"}; !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
	if strings.Contains(g.log.String(), canary) {
		t.Error("the audit holds the client's path")
	}
}

func TestRequestIDsAreOurs(t *testing.T) {
	g := newGateway(t)
	got := g.with("X-Request-Id", canary).post("/v1/revocations", alice()).want(201).Header().Get("X-Request-Id")
	if got == canary || len(got) != 32 || g.last().RequestID != got {
		t.Errorf("request id %q, in the record %q", got, g.last().RequestID)
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	g := newGateway(t)
	for name, c := range map[string]Config{
		"node": {Authenticate: Local}, "authenticate": {Node: g.node},
		"twice": {Node: g.node, Authenticate: Local, Issuers: []revocation.Issuer{{URL: "a"}, {URL: "a"}}},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
