package httpapi

import (
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Config of an API.
type Config struct {
	// Name comes first in log lines, such as "admin".
	Name string
	// Document describes the API as a whole.
	Document Document
	// Kinds are the kinds of problem that only this API has, in the order in
	// which its document tells them.
	Kinds []Kind
	// Prefix comes before every path. It has no slash at its end.
	Prefix string
	// Authenticate names the caller of a request. An error is a 401, or the
	// [Problem] that it wraps.
	Authenticate func(*http.Request) (Caller, error)
	// Again asks which role the caller of a request has now, while the request
	// goes on. Nil: Authenticate is asked, and must name the same caller.
	Again func(*http.Request, Caller) (Role, error)
	// Now is the clock.
	Now func() time.Time
	// Observe gets every request: the id of its operation ("unknown" if no route
	// matched), the status and how long it took.
	Observe func(operation string, status int, took time.Duration)
	// Log gets one audit line for each request.
	Log *slog.Logger
}

// API is an http.Handler that passes requests through one gate to operations.
// Operations are added by [Add] before the first request.
type API struct {
	cfg    Config
	kinds  []Kind
	router router
	huma   huma.API
}

// New makes an API without operations. All members of the configuration are
// required, except Kinds, Prefix and Again.
func New(cfg Config) *API {
	a := &API{cfg: cfg, kinds: slices.Concat(everyAPIHas(), cfg.Kinds)}
	a.router.prefix = cfg.Prefix
	a.huma = huma.NewAPI(a.configuration(), &a.router)
	return a
}
