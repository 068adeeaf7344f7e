package adminclient

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Caddy's admin endpoint wants an origin with `enforce_origin`, but not of a
// socket.
func TestLocal(t *testing.T) {
	for in, want := range map[[2]string][2]string{
		{"tcp", "localhost:2019"}:         {"http://localhost:2019/curfew", "http://localhost:2019"},
		{"tcp", "[::1]:2019"}:             {"http://[::1]:2019/curfew", "http://[::1]:2019"},
		{"unix", "/run/caddy.sock"}:       {"http://127.0.0.1/curfew", ""},
		{"unix", "relative/admin.socket"}: {"http://127.0.0.1/curfew", ""},
	} {
		c := Local(in[0], in[1])
		if got := [2]string{c.URL, c.origin}; got != want {
			t.Errorf("Local(%q) has URL and origin %q, want %q", in, got, want)
		}
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
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
	c := Client{URL: s.URL}
	for _, path := range []string{"/answer", "/refused"} {
		if _, err := Read[any](t.Context(), &c, "GET", path, nil); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

// The key, the secret and the body are for this gateway.
func TestARedirectIsNotFollowed(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/here" {
			t.Errorf("followed to %s", r.URL.Path)
		}
		http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	c := Client{URL: s.URL}
	_, err := Read[any](t.Context(), &c, "POST", "/here", struct{}{})
	var refusal *Problem
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
