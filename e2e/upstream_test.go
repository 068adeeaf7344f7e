//go:build e2e

package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// upstream is the protected service. It remembers what reached it.
type upstream struct {
	*httptest.Server

	mu   sync.Mutex
	seen map[string][]http.Header // by probe
}

// probeHeader tells requests apart on both sides of the gateway.
const probeHeader = "X-Probe"

func newUpstream(t *testing.T) *upstream {
	u := &upstream{seen: make(map[string][]http.Header)}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	probe := r.Header.Get(probeHeader)
	u.seen[probe] = append(u.seen[probe], r.Header.Clone())
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte("served\n"))
}

// arrivals are the headers with which a probe arrived, as often as it did.
func (u *upstream) arrivals(probe string) []http.Header {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seen[probe]
}

func (u *upstream) address() string { return strings.TrimPrefix(u.URL, "http://") }
