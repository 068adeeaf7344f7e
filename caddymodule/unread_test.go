package caddymodule_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

// refusing is a site whose guards refuse in each of the ways that exist.
const refusing = `
http://127.0.0.1:APPPORT {
	@page path /page/*
	curfew @page {
		refusal handle_errors
	}
	@proxied path /proxied/*
	curfew @proxied {
		refusal handle_errors
	}
	@logged path /logged/*
	log_skip @logged
	log {
		output discard
	}
	curfew {
		scope read
		token_from header
		sign_in_url https://login.example.com/
	}
	reverse_proxy UPSTREAM
	handle_errors {
		handle @proxied {
			reverse_proxy UPSTREAM
		}
		respond "{err.status_code}" {err.status_code}
	}
}
http://127.0.0.1:ADMINPORT {
	curfew_admin {
		token helpdesk write ` + helpdesk + `
		token dashboards read reading-secret-of-the-tests
	}
}
http://127.0.0.1:HEALTHPORT {
	curfew_health
}
`

// A refusal comes at once, also to a client that sends the body later or never:
// because it waits for leave, or because it is slow or hostile.
func TestRefusalsDontWaitForABody(t *testing.T) {
	g := start(t, global, refusing)
	const (
		json  = "Content-Type: application/json"
		lines = "Content-Type: application/x-ndjson"
		write = "Authorization: Bearer " + helpdesk
		read  = "Authorization: Bearer reading-secret-of-the-tests"
	)
	unscoped := "Authorization: Bearer " + g.token("alice", tokentest.Claims{"scope": "x"})
	bodies := [][]string{
		{"Content-Length: 100"},
		{"Content-Length: 1000000000"},
		{"Transfer-Encoding: chunked"},
		{"Content-Length: 100", "Expect: 100-continue"},
		{"Content-Length: 1000000000", "Expect: 100-continue"},
		{"Transfer-Encoding: chunked", "Expect: 100-continue"},
	}
	for i, c := range []struct {
		name, base, request string
		lines               []string
		status              int
		all                 bool // with every body
	}{
		{"guard, no credential", g.app, "POST /x", nil, 401, true},
		{"guard, bad credential", g.app, "PUT /x", []string{"Authorization: Bearer garbage"}, 401, false},
		{"guard, two credentials", g.app, "POST /x", []string{"Authorization: Bearer a", "Authorization: Bearer b"}, 400, false},
		{"guard, scope", g.app, "POST /x", []string{unscoped}, 403, false},
		{"guard, not logged", g.app, "POST /logged/x", nil, 401, false},
		{"guard, sign-in", g.app, "GET /x", []string{"Accept: text/html"}, 302, false},
		{"guard, upgrade", g.app, "GET /x", []string{"Connection: Upgrade", "Upgrade: websocket"}, 401, false},
		{"guard, own page", g.app, "POST /page/x", nil, 401, false},
		{"guard, page of a service", g.app, "POST /proxied/x", nil, 200, false},
		{"admin API, no credential", g.admin, "POST /v1/revocations", []string{json}, 401, true},
		{"admin API, bad credential", g.admin, "POST /v1/revocations", []string{json, "Authorization: Bearer garbage"}, 401, false},
		{"admin API, role", g.admin, "POST /v1/revocations", []string{json, read}, 403, false},
		{"admin API, type", g.admin, "POST /v1/revocations", []string{json + "; charset=latin1", write}, 415, false},
		{"admin API, another site", g.admin, "POST /v1/revocations", []string{json, write, "Sec-Fetch-Site: cross-site"}, 403, false},
		{"admin API, path", g.admin, "POST /v1/nothing", []string{json, write}, 404, false},
		{"admin API, method", g.admin, "PUT /v1/revocations", []string{json, write}, 405, false},
		{"admin API, import, no credential", g.admin, "POST /v1/revocations/import", []string{lines}, 401, false},
		{"admin API, import, role", g.admin, "POST /v1/revocations/import", []string{lines, read}, 403, false},
		{"admin API, import, type", g.admin, "POST /v1/revocations/import", []string{lines + "; charset=latin1", write}, 415, false},
		{"admin API, import, key", g.admin, "POST /v1/revocations/import", []string{lines, write, "Idempotency-Key: " + strings.Repeat("k", 1000)}, 400, false},
		{"admin API, body where there is none", g.admin, "DELETE /v1/blocks/blk_1.1.0", []string{json, write}, 400, true},
		{"admin API, GET", g.admin, "GET /v1/nodes", nil, 401, false},
		{"health", g.health, "POST /livez", nil, 405, false},
		{"local API, path", g.endpoint, "POST /curfew/v1/nothing", []string{json}, 404, false},
		{"local API, type", g.endpoint, "POST /curfew/v1/revocations", []string{json + "; charset=latin1"}, 415, false},
	} {
		for n, body := range bodies {
			if !c.all && n%3 != i%3 {
				continue // each takes half a second or nothing
			}
			t.Run(c.name+", "+strings.Join(body, ", "), func(t *testing.T) {
				t.Parallel()
				w := dial(t, c.base)
				began := time.Now()
				w.say(c.request + " HTTP/1.1\nHost: " + strings.TrimPrefix(c.base, "http://") + "\n" + strings.Join(append(append(c.lines[:len(c.lines):len(c.lines)], body...), ""), "\n") + "\n")
				a, ok := w.hear("POST")
				if !ok || a.StatusCode != c.status {
					t.Fatalf("answered %v, want %d", a.Response, c.status)
				}
				if took := time.Since(began); took > tooLong {
					t.Errorf("the answer took %s", took)
				}
				// The connection is of no more use.
				if _, err := w.in.ReadByte(); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("after the answer: %v", err)
				}
				if took := time.Since(began); took > tooLong {
					t.Errorf("the connection was closed after %s", took)
				}
			})
		}
	}
}

// A client that sends all of its body before it reads gets the answer, and no
// connection that was reset.
func TestARefusalReachesAClientThatSendsABody(t *testing.T) {
	g := start(t, global, refusing)
	body := strings.Repeat("x", 8<<20)
	for _, c := range []struct {
		base, path, content string
	}{{g.app, "/x", "text/plain"}, {g.admin, "/v1/revocations", "application/json"}, {g.admin, "/v1/revocations/import", "application/x-ndjson"}} {
		for range 5 {
			w := dial(t, c.base)
			text := "POST " + c.path + " HTTP/1.1\nHost: " + strings.TrimPrefix(c.base, "http://") + "\nContent-Type: " + c.content + "\nContent-Length: 8388608\n\n"
			if err := w.send(text); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w.conn, body); err != nil {
				t.Fatalf("%s: sending: %v", c.path, err)
			}
			if a, ok := w.hear("POST"); !ok || a.StatusCode != http.StatusUnauthorized {
				t.Fatalf("%s: answered %v", c.path, a.Response)
			}
		}
	}
}

// A refusal without a body to ignore costs no connection.
func TestARefusalKeepsTheConnectionOfARequestWithoutABody(t *testing.T) {
	g := start(t, global, refusing)
	for _, base := range []string{g.app + "/x", g.admin + "/v1/nodes"} {
		host, path, _ := strings.Cut(strings.TrimPrefix(base, "http://"), "/")
		w := dial(t, "http://"+host)
		for range 3 {
			w.say("GET /" + path + " HTTP/1.1\nHost: " + host + "\n\n")
			if a, ok := w.hear("GET"); !ok || a.StatusCode != http.StatusUnauthorized || a.Close {
				t.Fatalf("%s: answered %v", base, a.Response)
			}
		}
	}
}
