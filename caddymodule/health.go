package caddymodule

import (
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/node"
)

func init() { caddy.RegisterModule(new(Health)) }

// Health serves `/livez`, 200 while the process works, and `/readyz`, 503 while
// requests can't be decided: while the ledger is replayed, fenced, without any
// keys, or shutting down. `/readyz?exclude=fence` leaves the fence out. Both
// are without authentication and without detail.
type Health struct{ app *App }

// CaddyModule returns the Caddy module information.
func (*Health) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.curfew_health", New: func() caddy.Module { return new(Health) }}
}

// Provision finds the app.
func (h *Health) Provision(ctx caddy.Context) (err error) {
	h.app, err = appOf(ctx, "curfew_health")
	return err
}

// ServeHTTP answers the two paths and passes others on.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	var healthy bool
	switch r.URL.Path {
	case "/livez":
		healthy = true
	case "/readyz":
		healthy = h.app.ready(slices.Contains(r.URL.Query()["exclude"], "fence"))
	default:
		return next.ServeHTTP(w, r)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	answer := "ok\n"
	if !healthy {
		w.WriteHeader(http.StatusServiceUnavailable)
		answer = "not ready\n"
	}
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(answer))
	}
	return nil
}

// ready reports whether requests can be decided, with or without the fence.
func (a *App) ready(excludeFence bool) bool {
	if caddy.Exiting() {
		return false
	}
	if s := a.gateway.node.State(); s != node.Ready && (s != node.Fenced || !excludeFence) {
		return false
	}
	now := time.Now()
	for i, keys := range a.keySets {
		if keys.Ready(now, time.Duration(a.Issuers[i].JWKSMaxStale)) {
			return true
		}
	}
	return false
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Health)(nil)
	_ caddyhttp.MiddlewareHandler = (*Health)(nil)
)
