//go:build e2e

package fleet

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// probeHeader tells requests apart on both sides of a gateway.
const probeHeader = "X-Probe"

// upstream is the protected service. It remembers whom it has served.
type upstream struct {
	*httptest.Server

	mu   sync.Mutex
	hits map[string][]string // subjects by probe
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{hits: make(map[string][]string)}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if probe := r.Header.Get(probeHeader); probe != "" {
		u.mu.Lock()
		u.hits[probe] = append(u.hits[probe], r.Header.Get("Curfew-Subject"))
		u.mu.Unlock()
	}
	switch r.URL.Path {
	case "/ws":
		if c, err := websocket.Accept(w, r, nil); err == nil {
			_, _, _ = c.Read(context.Background())
			_ = c.CloseNow()
		}
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "data: hello\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	default:
		_, _ = io.WriteString(w, "served\n")
	}
}

func (u *upstream) all() map[string][]string {
	u.mu.Lock()
	defer u.mu.Unlock()
	copied := make(map[string][]string, len(u.hits))
	for probe, subjects := range u.hits {
		copied[probe] = subjects
	}
	return copied
}
