package token

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestFetchOverLoopback(t *testing.T) {
	i := tokentest.Start(t)
	s := NewKeySet(i.URL, KeySetOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	s.refresh(t.Context()) // unless the first fetch is over already
	if !s.Ready(time.Now(), time.Minute) {
		t.Error("not ready")
	}
	cancel()
	<-done
}

// F-11: a certificate that can't be verified.
func TestF11TLSError(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	f := newFetcher(server.URL, KeySetOptions{})
	defer f.client.CloseIdleConnections()
	_, err := f.fetch(t.Context())
	if resultOf(err) != FetchUnreachable || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

func TestRedirects(t *testing.T) {
	i := tokentest.Start(t)
	key := i.Key()
	twin := tokentest.New(t, i.URL) // says the same, elsewhere
	other := httptest.NewServer(twin)
	defer other.Close()
	for name, c := range map[string]struct {
		to string
		ok bool
	}{
		"same origin":  {i.URL + "/moved/.well-known/openid-configuration", true},
		"other port":   {other.URL + "/.well-known/openid-configuration", false},
		"metadata":     {"http://169.254.169.254/latest", false},
		"to itself":    {i.URL + "/.well-known/openid-configuration", false},
		"other scheme": {strings.Replace(i.URL, "http", "https", 1) + "/x", false},
	} {
		t.Run(name, func(t *testing.T) {
			i.Fail(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/.well-known") {
					http.Redirect(w, r, c.to, http.StatusFound)
					return
				}
				clean := tokentest.New(t, i.URL)
				clean.Rotate(key)
				clean.ServeHTTP(w, r)
			}))
			f := newFetcher(i.URL, KeySetOptions{})
			defer f.client.CloseIdleConnections()
			if _, err := f.fetch(t.Context()); c.ok != (err == nil) {
				t.Errorf("got %v", err)
			}
		})
	}
}
