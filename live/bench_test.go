package live_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/live"
	"curfew.dev/curfew/revocation"
)

type admits struct{}

func (admits) Judge(live.Cause) *live.Refusal { return nil }

type nothing struct{}

func (nothing) ServeHTTP(http.ResponseWriter, *http.Request) error { return nil }

// handlers keeps the compiler from inlining the handler.
var handlers = []live.Handler{nothing{}}

type sink struct{ h http.Header }

func (s sink) Header() http.Header       { return s.h }
func (sink) Write(p []byte) (int, error) { return len(p), nil }
func (sink) WriteHeader(int)             {}

// BenchmarkServe measures the whole cost of a live request. BenchmarkContext
// measures the part of it that a context of its own costs.
func BenchmarkServe(b *testing.B) {
	var g live.Registry
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	b.Run("one account", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) { serve(pb, &g, r, credential("alice")) })
	})
	b.Run("many accounts", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) { serve(pb, &g, r, credential(strconv.Itoa(int(time.Now().UnixNano())))) })
	})
}

func serve(pb *testing.PB, g *live.Registry, r *http.Request, c *revocation.Credential) {
	w := sink{http.Header{"Server": {"Caddy"}}}
	terms := live.Terms{Credential: c, Judge: admits{}, Expires: time.Now().Add(time.Hour)}
	for pb.Next() {
		_ = g.Serve(w, r, terms, nothing{})
	}
}

func BenchmarkContext(b *testing.B) {
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	b.ReportAllocs()
	next := handlers[0]
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ctx, cancel := context.WithCancel(r.Context())
			_ = next.ServeHTTP(nil, r.WithContext(ctx))
			cancel()
		}
	})
}

// BenchmarkCut measures one cut among many live requests, of a user who has
// none.
func BenchmarkCut(b *testing.B) {
	var g live.Registry
	var served sync.WaitGroup
	defer served.Wait()
	release := make(chan struct{})
	defer close(release)
	for i := range 20_000 {
		served.Go(func() {
			w := newRecorder()
			_ = g.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil), live.Terms{Credential: credential(strconv.Itoa(i)), Judge: admits{}},
				handler(func(http.ResponseWriter, *http.Request) error { <-release; return nil }))
		})
	}
	for g.Live(live.HTTP1) < 20_000 {
		time.Sleep(time.Millisecond)
	}
	for name, target := range map[string]revocation.Target{
		"subject": alice(), "session": {Issuer: issuer, Session: "none"}, "tenant": {Issuer: issuer, Tenant: "none"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				g.Cut(target)
			}
		})
	}
}
