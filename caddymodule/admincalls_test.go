package caddymodule_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

// longCalls are a stream of events and an import of one caller of the API.
type longCalls struct {
	g      *gateway
	events *http.Response
	send   *io.PipeWriter
	answer *http.Response
	lines  *bufio.Scanner // of the answer
}

// ofAChunk is how many lines an import answers together.
const ofAChunk = 1000

// callLong begins both and waits until they are under way.
func (g *gateway) callLong(credential string) *longCalls {
	g.t.Helper()
	body, send := io.Pipe()
	l := &longCalls{g: g, send: send}
	g.t.Cleanup(func() { _ = send.Close() })
	transport := &http.Transport{DisableKeepAlives: true}
	begin := func(method, path string, body io.Reader) *http.Response {
		req, err := http.NewRequestWithContext(g.t.Context(), method, g.admin+path, body)
		if err != nil {
			g.t.Error(err)
			return nil
		}
		req.Header.Set("Authorization", "Bearer "+credential)
		req.Header.Set("Content-Type", "application/x-ndjson")
		a, err := transport.RoundTrip(req)
		if err != nil {
			g.t.Errorf("%s: %v", path, err)
			return nil
		}
		g.t.Cleanup(func() { _ = a.Body.Close() })
		return a
	}
	if l.events = begin("GET", "/v1/events", nil); l.events == nil || l.events.StatusCode != 200 {
		g.t.Fatalf("events: %v", l.events)
	}
	go func() {
		for n := range ofAChunk {
			l.line(fmt.Sprint("user", n))
		}
		l.line("before") // and so the chunk is over
	}()
	if l.answer = begin("POST", "/v1/revocations/import", body); l.answer == nil || l.answer.StatusCode != 200 {
		g.t.Fatalf("import: %v", l.answer)
	}
	l.lines = bufio.NewScanner(l.answer.Body)
	for range ofAChunk {
		if !l.lines.Scan() || !strings.Contains(l.lines.Text(), `"status":201`) {
			g.t.Fatalf("import: %s %v", l.lines.Text(), l.lines.Err())
		}
	}
	return l
}

func (l *longCalls) line(sub string) {
	l.g.t.Helper()
	if _, err := fmt.Fprintf(l.send, `{"target":{"iss":%q,"sub":%q}}`+"\n", l.g.issuer.URL, sub); err != nil {
		l.g.t.Logf("a line: %v", err)
	}
}

// over checks that both end, and that nothing of the import is durable.
func (l *longCalls) over() {
	l.g.t.Helper()
	began := time.Now()
	if _, err := io.Copy(io.Discard, l.events.Body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		l.g.t.Logf("the stream of events: %v", err)
	}
	last := ""
	for l.lines.Scan() {
		if last = l.lines.Text(); !strings.Contains(last, `"status":40`) {
			l.g.t.Errorf("the import is answered %s", last)
		}
	}
	if !strings.Contains(last, "nothing was written from line 1001 on") {
		l.g.t.Errorf("the last line is %q", last)
	}
	if took := time.Since(began); took > 5*time.Second {
		l.g.t.Errorf("they ended after %s", took)
	}
	l.g.wantUnwritten("before")
}

// callAmidReload posts what may come twice, where a server that goes may take a
// connection and close it.
func (g *gateway) callAmidReload(secret, path string, body any) answer {
	g.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		g.t.Fatal(err)
	}
	for tries := 1; ; tries++ {
		req, err := http.NewRequest("POST", g.admin+path, bytes.NewReader(b))
		if err != nil {
			g.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+secret)
		resp, err := client.Do(req)
		var text []byte
		if err == nil {
			text, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if err == nil {
			return answer{resp, string(text)}
		}
		if tries == 5 {
			g.t.Fatal(err)
		}
	}
}

func (g *gateway) wantUnwritten(sub string) {
	g.t.Helper()
	found := g.callAmidReload(breakGlass, "/v1/revocations/search", map[string]string{"iss": g.issuer.URL, "sub": sub})
	if found.StatusCode != 200 || strings.Contains(found.body, `"rev_`) {
		g.t.Errorf("a line is durable: %d %s", found.StatusCode, found.body)
	}
}

// What was admitted to the admin API is judged anew while it goes on: by its
// caller, its secret, its role and the configuration in force.
func TestCallsOfTheAPIEndWithTheirCaller(t *testing.T) {
	file := filepath.Join(t.TempDir(), "helpdesk.token")
	write := func(text string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(file+".new", []byte(text), 0o600), os.Rename(file+".new", file)); err != nil {
			t.Fatal(err)
		}
	}
	with := func(scope string) string {
		return strings.Replace(sites, "token helpdesk write "+helpdesk, `token helpdesk write {file.`+file+`}
		oidc ISSUER {
			audience admin
			role write scope `+scope+`
		}`, 1)
	}
	withoutToken := strings.Replace(with("curfew.write"), "token helpdesk write {file."+file+"}", "", 1)
	for name, c := range map[string]struct {
		oidc bool
		end  func(*gateway)
	}{
		"signed out":     {true, func(g *gateway) { g.asRoot("/v1/revocations", "operator") }},
		"blocked":        {true, func(g *gateway) { g.asRoot("/v1/blocks", "operator") }},
		"expired":        {true, func(*gateway) {}}, // see the claims below
		"secret rotated": {false, func(*gateway) { write("another-" + helpdesk) }},
		"secret gone":    {false, func(*gateway) { _ = os.Remove(file) }},
		"token removed":  {false, func(g *gateway) { g.load(global, withoutToken) }},
		"role made smaller": {false, func(g *gateway) {
			g.load(global, strings.Replace(with("curfew.write"), "helpdesk write", "helpdesk read", 1))
		}},
		"scope withdrawn":    {true, func(g *gateway) { g.load(global, with("other.write")) }},
		"provider withdrawn": {true, func(g *gateway) { g.load(global, sites) }},
	} {
		t.Run(name, func(t *testing.T) {
			write(helpdesk)
			g := start(t, global, with("curfew.write"))
			credential := helpdesk
			if c.oidc {
				claims := tokentest.Claims{"aud": "admin", "scope": "curfew.write"}
				if name == "expired" {
					claims["exp"] = time.Now().Unix() + 3
				}
				credential = g.issuer.Sign(g.claims("operator"), claims)
				g.awaitCaller(credential)
			}
			l := g.callLong(credential)
			c.end(g)
			go l.line("after")
			l.over()
			g.wantUnwritten("after")
		})
	}
}

// asRoot writes about a subject with a credential that stays.
func (g *gateway) asRoot(path, sub string) {
	g.t.Helper()
	a := g.call(breakGlass, "POST", path, map[string]any{"target": map[string]string{"iss": g.issuer.URL, "sub": sub}})
	if a.StatusCode/100 != 2 {
		g.t.Fatalf("%s: %d %s", path, a.StatusCode, a.body)
	}
}

// awaitCaller waits until the keys of a caller's provider are there.
func (g *gateway) awaitCaller(credential string) {
	g.t.Helper()
	eventually(g.t, "the caller is let in", func() bool {
		return g.call(credential, "GET", "/v1/nodes", nil).StatusCode == 200
	})
}

// A reload that keeps the caller breaks no import off, and listeners come again.
func TestAnImportGoesOnThroughAReloadThatKeepsItsCaller(t *testing.T) {
	for name, oidc := range map[string]bool{"token": false, "oidc": true} {
		t.Run(name, func(t *testing.T) {
			site := strings.Replace(sites, "token dashboards", "oidc ISSUER {\n\t\t\taudience admin\n\t\t\trole write scope curfew.write\n\t\t}\n\t\ttoken dashboards", 1)
			g := start(t, global, site)
			credential := helpdesk
			if oidc {
				credential = g.issuer.Sign(g.claims("operator"), tokentest.Claims{"aud": "admin", "scope": "curfew.write"})
				g.awaitCaller(credential)
			}
			l := g.callLong(credential)
			g.load(global, strings.Replace(site, "curfew_health", "curfew_health\n\theader X-Reload 1", 1))
			time.Sleep(2 * time.Second) // several judgements
			l.line("after")
			_ = l.send.Close()
			n := 0
			for ; l.lines.Scan(); n++ {
				if !strings.Contains(l.lines.Text(), `"status":201`) {
					t.Errorf("%s", l.lines.Text())
				}
			}
			if n != 2 || l.lines.Err() != nil {
				t.Errorf("%d lines, %v", n, l.lines.Err())
			}
		})
	}
}
