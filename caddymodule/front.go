package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/internal/identity"
	"curfew.dev/curfew/login"
)

// entrance is what every request to a server with a guard passes first, also on
// routes that no guard covers: they may lead to the same upstreams.
type entrance struct {
	app      *App
	server   *caddyhttp.Server
	identity *identity.Headers
	upgrades protocols // of all guards of the server
	log      *accessLog
}

// String keeps it out of what a template or log prints of Caddy's variables.
func (*entrance) String() string { return "" }

// enter takes out of a request what a client must not send to any upstream:
// headers and cookies that are ours, and upgrades to a protocol that no guard
// names. A visit, where there is one, keeps the cookies.
func (e *entrance) enter(r *http.Request, v *visit) {
	e.identity.Cleanse(r)
	e.upgrades.restrict(r.Header)
	if v != nil && e.app.signIns != nil {
		v.take(r)
		return
	}
	login.StripRequest(r.Header, nil)
}

// leave reports an upstream's 101 to a request that did not ask for its
// protocol. Caddy's reverse_proxy drops that response without an error, and
// net/http then answers 200.
func leave(r *http.Request, err error) error {
	if err != nil {
		return err
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if status, _ := repl.Get("http.reverse_proxy.status_code"); status != http.StatusSwitchingProtocols {
		return nil
	}
	to, _ := repl.GetString("http.reverse_proxy.header.Upgrade")
	if to, _, _ = strings.Cut(to, ","); to != "" && asks(r, to) {
		return nil
	}
	return caddyhttp.Error(http.StatusBadGateway, errors.New("the upstream switched protocols (101), and the request did not ask for that"))
}

// front has requests pass the entrance of their server. It stands first in
// every route that does not begin with a guard, which does the same.
type front struct {
	*entrance

	// before is the handler that comes next. Metrics name a route by its first
	// handler, so a front has the name of the one that it stands before.
	before string

	// routes are behind the front instead of what follows in its own route.
	routes caddyhttp.RouteList
	once   sync.Once
	chain  caddyhttp.Handler

	// named is a named route behind the front, which Caddy compiles at each
	// request: what follows it is not always the same.
	named *caddyhttp.Route
}

// CaddyModule returns the name under which metrics and traces know the front.
func (f *front) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: caddy.ModuleID("http.handlers." + f.before), New: func() caddy.Module { return new(front) }}
}

// ServeHTTP lets a request enter once, and leave.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if f.routes != nil {
		f.once.Do(func() { f.chain = f.routes.Compile(next) })
		next = f.chain
	}
	if f.named != nil {
		next = f.named.Compile(next)
	}
	if err := f.upgrades.checkExtended(r); err != nil {
		return err
	}
	// Routes for errors get a request that may have entered, and what guards
	// wrote into it.
	known := caddyhttp.GetVar(r.Context(), visitVar)
	if known == nil && f.describe(w, r) {
		return nil
	}
	if f.app.signIns == nil {
		if known == nil {
			caddyhttp.SetVar(r.Context(), visitVar, f.entrance)
			f.enter(r, nil)
		}
		return leave(r, next.ServeHTTP(w, r))
	}
	v, ok := known.(*visit)
	if !ok {
		v = newVisit(r)
		f.enter(r, v)
	}
	return leave(r, f.pass(w, r, v, next))
}

// pass has next answer a request that has entered, with a response in which our
// cookies have their rules.
func (e *entrance) pass(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	w, outermost := v.around(w)
	if !outermost {
		return next.ServeHTTP(w, r)
	}
	defer v.leave()
	if tellsTooMuch(r) {
		return e.log.serve(w, r, v, next)
	}
	return next.ServeHTTP(w, r)
}

// entranceOf makes the entrance of the server whose routes are being loaded,
// unless an earlier guard did: Caddy has no place for a handler before all
// routes, so the first guard puts fronts into them.
//
// Caddy loads the routes of a server and compiles them, then does the same with
// those for errors, then loads the named routes, which are compiled at each
// request. Compiled routes can't be changed any more, except for their subroutes.
func (a *App) entranceOf(ctx caddy.Context) (*entrance, error) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil, errors.New("curfew stands in the routes of Caddy's HTTP servers only, and this is none of them")
	}
	if e := a.entrances[server]; e != nil {
		return e, nil
	}
	e := &entrance{app: a, server: server, identity: &a.carried, log: newAccessLog(ctx, server)}
	if a.entrances == nil {
		a.entrances = make(map[*caddyhttp.Server]*entrance)
	}
	a.entrances[server] = e
	if err := e.cover(ctx, &server.Routes, "curfew"); err != nil {
		return nil, err
	}
	if server.Errors != nil {
		// A guard there is not the first that most requests come to.
		if err := e.cover(ctx, &server.Errors.Routes, ""); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(server.Routes, isLoading) {
		return e, nil // every way to a named route is covered
	}
	return e, e.coverNamed(ctx, server.NamedRoutes)
}

// coverNamed puts fronts into named routes, for routes that are compiled and do
// nothing but invoke them.
func (e *entrance) coverNamed(ctx caddy.Context, named map[string]*caddyhttp.Route) error {
	for _, route := range named {
		if isLoading(*route) {
			if first := firstHandler(*route); first != "curfew" {
				route.Handlers = []caddyhttp.MiddlewareHandler{&front{entrance: e, before: first}}
			}
			continue
		}
		loaded := *route
		*route = caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{&front{entrance: e, named: &loaded}}}
		if err := route.ProvisionHandlers(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// cover puts fronts into the routes of a server, but for those that begin with
// the handler alike, which does the same.
func (e *entrance) cover(ctx caddy.Context, routes *caddyhttp.RouteList, alike string) error {
	err := e.coverLoaded(ctx, *routes)
	switch {
	case !slices.ContainsFunc(*routes, isLoading):
		return err
	case err != nil:
		// One route takes the place of all. They go on being loaded where they are.
		*routes, err = e.route(ctx, &front{entrance: e, routes: *routes})
		return err
	}
	for i := range *routes {
		if route := &(*routes)[i]; isLoading(*route) {
			if first := firstHandler(*route); first != alike {
				route.Handlers = []caddyhttp.MiddlewareHandler{&front{entrance: e, before: first}}
			}
		}
	}
	return nil
}

// isLoading reports whether Caddy has yet to load the route, or is at it: the
// text of the handlers is forgotten when all of them are there.
func isLoading(r caddyhttp.Route) bool { return len(r.HandlersRaw) > 0 }

// firstHandler is the name of a route's first handler.
func firstHandler(r caddyhttp.Route) string {
	var module struct{ Handler string }
	_ = json.Unmarshal(r.HandlersRaw[0], &module) // Caddy will say what is wrong with it
	return module.Handler
}

func (e *entrance) route(ctx caddy.Context, f *front) (caddyhttp.RouteList, error) {
	route := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{f}}
	err := route.ProvisionHandlers(ctx, nil)
	return caddyhttp.RouteList{route}, err
}

// coverLoaded puts fronts into the subroutes of routes that are loaded. What
// else is in those must not need one.
func (e *entrance) coverLoaded(ctx caddy.Context, routes caddyhttp.RouteList) error {
	for i := range routes {
		if isLoading(routes[i]) {
			continue
		}
		for _, handler := range routes[i].Handlers {
			sub, ok := handler.(*caddyhttp.Subroute)
			if !ok {
				if name := caddy.GetModuleName(handler); !slices.Contains(askNobody, name) {
					return fmt.Errorf("the guards of this server are in handle_errors or named routes only, and its route %d goes to %s beside them: "+
						"put that into `handle { … }`, so that forged identity headers and upgrades can be taken out of its requests", i, name)
				}
				continue
			}
			in, err := e.route(ctx, &front{entrance: e})
			if err != nil {
				return err
			}
			sub.Routes = append(in, sub.Routes...)
			if sub.Errors != nil && len(sub.Errors.Routes) > 0 {
				sub.Errors.Routes = append(in, sub.Errors.Routes...)
			}
		}
	}
	return nil
}

// askNobody are Caddy's handlers that hand no request to another server, and
// those that lead to routes which are covered.
var askNobody = []string{
	"acme_server", "authentication", "curfew", "curfew_admin", "curfew_health", "curfew_sign_in", "encode", "error", "file_server", "headers", "invoke",
	"log_append", "map", "metrics", "push", "request_body", "rewrite", "static_response", "templates", "tracing", "vars",
}

// Interface guards
var (
	_ caddy.Module                = (*front)(nil)
	_ caddyhttp.MiddlewareHandler = (*front)(nil)
)
