package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"curfew.dev/curfew/admin"
)

func init() { caddy.RegisterModule(new(AdminEndpoint)) }

// AdminEndpoint serves the admin API on Caddy's own admin endpoint, under
// `/curfew/`, for the local command line. It asks for no credential: a caller
// who reaches that endpoint can load any configuration anyway. Caddy's Host and
// Origin checks apply.
type AdminEndpoint struct{}

// CaddyModule returns the Caddy module information.
func (*AdminEndpoint) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.curfew", New: func() caddy.Module { return new(AdminEndpoint) }}
}

const endpointPrefix = "/curfew"

// Routes returns the one route.
func (e *AdminEndpoint) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: endpointPrefix + "/", Handler: caddy.AdminHandlerFunc(e.serve)}}
}

// serve looks up the configuration in force at each call, because Caddy keeps
// the routers of a configuration that failed.
func (*AdminEndpoint) serve(w http.ResponseWriter, r *http.Request) error {
	app, err := activeApp()
	if err != nil && caddy.Exiting() {
		// Caddy stops this endpoint last. Nothing was written.
		w.Header().Set("Retry-After", "1")
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err, Message: "the gateway is shutting down"}
	}
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err, Message: "curfew is not configured"}
	}
	api, err := app.localAPI()
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	api.ServeHTTP(w, r)
	return nil
}

// localAPI returns the API that asks for no credential. The first call builds
// it.
func (a *App) localAPI() (http.Handler, error) {
	a.local.Do(func() { a.localHandler, a.localErr = a.newAPI(endpointPrefix, admin.Local, a.localAgain) })
	return a.localHandler, a.localErr
}

// localAgain lets a call without a credential go on as long as a configuration
// is in force.
func (a *App) localAgain(*http.Request, admin.Caller) (admin.Role, error) {
	_, err := a.inForce()
	return admin.BreakGlass, err
}

// Interface guards
var _ caddy.AdminRouter = (*AdminEndpoint)(nil)
