package cli

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestParsePlace(t *testing.T) {
	for in, want := range map[string]endpoint{
		"localhost:2019":             {"tcp", "localhost:2019", "http://localhost:2019", false},
		"tcp/127.0.0.1:2019":         {"tcp", "127.0.0.1:2019", "http://127.0.0.1:2019", false},
		"[::1]:2019":                 {"tcp", "[::1]:2019", "http://[::1]:2019", false},
		":2019":                      {"tcp", ":2019", "http://:2019", false},
		"unix//run/caddy.sock":       {"unix", "/run/caddy.sock", "http://127.0.0.1", true},
		"unix//run/caddy.sock|0220":  {"unix", "/run/caddy.sock", "http://127.0.0.1", true},
		"unix/relative/admin.socket": {"unix", "relative/admin.socket", "http://127.0.0.1", true},
	} {
		got, err := parseEndpoint(in)
		if err != nil || got != want {
			t.Errorf("parseEndpoint(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "localhost", "localhost:1-9", "localhost:x", "http://localhost:2019", "fd/3", "unix//run/x|0044"} {
		if got, err := parseEndpoint(in); err == nil {
			t.Errorf("parseEndpoint(%q) = %+v, want an error", in, got)
		}
	}
}

func addressOf(s *httptest.Server) string { return s.Listener.Addr().String() }

func TestExchangeIsBounded(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusBadRequest)
		}
		chunk := make([]byte, 1<<20)
		for range maxAnswer>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	g := gateway{address: addressOf(s)}
	for _, path := range []string{"/answer", "/refused"} {
		if _, err := g.read(t.Context(), "GET", path, nil); !errors.Is(err, errUnreachable) || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

// An answer that sends us elsewhere is not followed: the key and the body are
// for this gateway.
func TestExchangeStaysHere(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/here" {
			t.Errorf("followed to %s", r.URL.Path)
		}
		http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	g := gateway{address: addressOf(s)}
	_, err := g.read(t.Context(), "POST", "/here", struct{}{})
	var refusal *problem
	if !errors.As(err, &refusal) || refusal.Status != http.StatusTemporaryRedirect {
		t.Fatalf("error %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"": -1, "0": 0, "2": 2 * time.Second, "3600": time.Hour, "-1": -1, "soon": -1,
		"99999999999999999999": -1, "Fri, 20 Nov 2026 10:00:00 GMT": -1,
	} {
		if got := retryAfterOf(http.Header{"Retry-After": {in}}); got != want {
			t.Errorf("Retry-After %q: %s, want %s", in, got, want)
		}
	}
}

func TestProblemOf(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"ours":             {422, `{"type":"urn:curfew:x","title":"T","detail":"d","errors":[{"pointer":"/a","detail":"e"}],"request_id":"r"}`, "T\n  d\n  /a: e\n  (x, request r)"},
		"said once":        {400, `{"title":"T","detail":"/a is wrong","errors":[{"pointer":"/a","detail":"is wrong"}]}`, "T\n  /a: is wrong"},
		"no pointer":       {400, `{"title":"T","errors":[{"pointer":"","detail":"e"}]}`, "T\n  e"},
		"Caddy's":          {403, `{"error":"host not allowed: x"}`, "Caddy answered 403 Forbidden\n  host not allowed: x"},
		"no Curfew":        {404, `{"error":"unknown object"}`, "Caddy answered 404 Not Found\n  this Caddy has no Curfew: is it built with the module, and is `curfew` in its configuration?"},
		"not JSON":         {502, `<html>`, "Caddy answered 502 Bad Gateway"},
		"not an object":    {500, `[1]`, "Caddy answered 500 Internal Server Error"},
		"unsafe":           {400, `{"title":"T\u001b[2J"}`, `T\x1b[2J`},
		"another's status": {503, `{"title":"T","status":400}`, "T"},
	} {
		t.Run(name, func(t *testing.T) {
			p := problemOf(c.status, http.Header{}, []byte(c.body))
			if p.Error() != c.want {
				t.Errorf("%q, want %q", p.Error(), c.want)
			}
			if p.Status != c.status {
				t.Errorf("status %d, want %d", p.Status, c.status)
			}
		})
	}
}
