package caddymodule

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/internal/unread"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/token"
)

func init() { caddy.RegisterModule(new(Health)) }

// Health serves `/livez`, 200 while the process works, and `/readyz`, 503 while
// requests can't be decided: while the ledger is replayed, fenced, without any
// keys, or shutting down. `/readyz?exclude=fence` leaves the fence out. Both
// are without authentication, and without detail but how far a start has read the
// ledger.
type Health struct {
	// The place in the Caddyfile. Error messages name it.
	Place place `json:"place,omitempty"`

	app *App
}

// CaddyModule returns the Caddy module information.
func (*Health) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.curfew_health", New: func() caddy.Module { return new(Health) }}
}

// UnmarshalCaddyfile reads
//
//	curfew_health
func (h *Health) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // curfew_health
	h.Place = placeOf(d)
	if err := alone(d); err != nil {
		return err
	}
	return options{}.read(d, unchecked)
}

// Provision finds the app.
func (h *Health) Provision(ctx caddy.Context) (err error) {
	h.app, err = appOf(ctx, "curfew_health", h.Place)
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
		defer unread.Ignore(w, r)()
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	answer := "ok\n"
	if !healthy {
		w.WriteHeader(http.StatusServiceUnavailable)
		answer = "not ready\n" + h.app.progress()
	}
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(answer))
	}
	return nil
}

// ready reports whether requests can be decided, with or without the fence. The
// probes and the metric both use it. Every state of a node other than ready,
// and fenced if the fence is excluded, counts as not ready.
func (a *App) ready(excludeFence bool) bool {
	if caddy.Exiting() {
		return false
	}
	if s := a.gateway.node.State(); s != node.Ready && (s != node.Fenced || !excludeFence) {
		return false
	}
	now := a.gateway.now()
	for i := range a.keySets {
		if a.hasKeys(i, now) {
			return true
		}
	}
	return false
}

// progress is a line on a start that takes a while, or nothing.
func (a *App) progress() string {
	r, reading := a.gateway.node.Replay()
	if !reading {
		return ""
	}
	return fmt.Sprintf("reading the ledger: entry %d of %d\n", r.At, r.Of)
}

// hasKeys reports whether tokens of the issuer can be verified.
func (a *App) hasKeys(issuer int, now time.Time) bool {
	return a.keySets[issuer].Ready(now, time.Duration(a.Issuers[issuer].JWKSMaxStale))
}

// maxWhy limits the text of an error that a provider causes, in bytes.
const maxWhy = 300

// issuerStatus reports for each issuer whether its keys are there, and if not,
// the reason.
func (a *App) issuerStatus() []ledger.IssuerStatus {
	now := a.gateway.now()
	all := make([]ledger.IssuerStatus, len(a.keySets))
	for i, keys := range a.keySets {
		all[i] = ledger.IssuerStatus{Issuer: keys.Issuer(), Ready: a.hasKeys(i, now)}
		if !all[i].Ready {
			all[i].Why = whyNoKeys(keys.KeySet, now)
		}
	}
	return all
}

func whyNoKeys(keys *token.KeySet, now time.Time) string {
	why := "they are being fetched for the first time"
	if err := keys.Err(); err != nil {
		why = err.Error()
		why = strings.ToValidUTF8(why[:min(len(why), maxWhy)], "")
	}
	if at := keys.LastSuccess(); !at.IsZero() {
		why = "last fetched " + now.Sub(at).Round(time.Second).String() + " ago, longer than jwks_max_stale: " + why
	}
	return why
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Health)(nil)
	_ caddyhttp.MiddlewareHandler = (*Health)(nil)
)
