package caddymodule

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	maphandler "github.com/caddyserver/caddy/v2/modules/caddyhttp/map"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"

	"curfew.dev/curfew/internal/loopback"
)

// survey reads every route of the servers of a configuration, once. It checks
// three things: the placeholders that a guard's matcher reads, the upstreams
// that some routes reach with a guard and others without, and the guards that
// never run. The first guard to be provisioned calls it. At that time some
// routes are provisioned and have no JSON any more, and other routes have JSON
// only. [modulesOf] and [setsOf] accept both.
func (a *App) survey(ctx caddy.Context) error {
	if a.looked {
		return nil
	}
	a.looked = true
	i := slices.IndexFunc(ctx.Modules(), func(m caddy.Module) bool { _, ok := m.(*caddyhttp.App); return ok })
	if i < 0 {
		return nil
	}
	s := survey{guarded: make(map[string]*Guard), resources: make(map[*caddyhttp.Server][]resource)}
	app := ctx.Modules()[i].(*caddyhttp.App)
	servers := app.Servers
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		s.look(name, servers[name])
	}
	if err := errors.Join(s.unreadable...); err != nil {
		return err
	}
	a.resources = s.resources
	for _, check := range []func() error{s.offered, s.credentialsLogged, func() error { return s.addOrigins(a, app) }} {
		if err := check(); err != nil {
			return err
		}
	}
	return s.report(a)
}

// surveyed reports whether survey finds a guard at this position: in routes, or
// in the routes of modules that it knows.
func surveyed(ctx caddy.Context) bool {
	for i, m := range ctx.Modules() {
		switch m.(type) {
		case *caddyhttp.Subroute, *reverseproxy.Handler, *intercept.Intercept, *Guard:
		case *caddyhttp.App:
			if i > 0 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// survey holds the findings.
type survey struct {
	unreadable []error
	guarded    map[string]*Guard // by upstream: a guard of one of its routes
	ways       []way
	holes      []hole
	offers     []signInSpot // of `curfew_sign_in`
	takers     []signInSpot // guards that take sessions
	resources  map[*caddyhttp.Server][]resource

	name   string
	server *caddyhttp.Server // the current server
	guards int               // of the current server
	named  []string          // the named routes that are being read
}

// way is a route that leads to an upstream.
type way struct {
	spot
	upstream
	guarded bool
}

// spot is a position in a server.
type spot struct {
	hosts    []string // or the listen addresses of the server
	matchers []string // of this route and the routes around it, the outermost first
}

// hole is a finding that the operator must be told.
type hole struct {
	spot
	message  string
	upstream string
	guard    place
}

// flow holds the facts that are true of every request at one position in the
// handlers of a server.
type flow struct {
	spot
	named  []string // the hosts that a matcher has named; nil: any
	paths  []string // the patterns by which a matcher has chosen first; nil: any
	guards []*Guard // every request has passed these
	some   *Guard   // some requests have passed this one
	bound  bool     // a matcher has chosen the route by the path
	ended  string   // the handler that has answered all requests
	// The values that handlers have set, by placeholder. A text is the reason
	// why the value depends on the path. Empty: it does not depend on the path.
	// The map is copied before a change.
	values map[string]string
}

func (s *survey) look(name string, server *caddyhttp.Server) {
	s.name, s.server, s.guards = name, server, 0
	first := len(s.ways)
	s.routes(server.Routes, flow{spot: spot{hosts: server.Listen}})
	if server.Errors != nil {
		// A handler may fail before a guard has run.
		s.routes(server.Errors.Routes, flow{spot: spot{hosts: server.Listen, matchers: []string{"handle_errors"}}})
	}
	if s.guards == 0 {
		s.ways = s.ways[:first]
	}
}

// routes follows requests through a list of routes.
func (s *survey) routes(list caddyhttp.RouteList, f flow) flow {
	groups := make(map[string]group)
	for i := range list {
		r := &list[i]
		sets := setsOf(r.MatcherSetsRaw, r.MatcherSets)
		g, inGroup := groups[r.Group]
		inGroup = inGroup && r.Group != ""
		inner := f.in(sets)
		inner.bound = inner.bound || inGroup && g.byPath
		out := s.handlers(modulesOf(r), inner)
		if r.Terminal {
			out.end("a terminal route")
		}
		out.spot, out.bound, out.named, out.paths = f.spot, f.bound, f.named, f.paths
		g = group{byPath: g.byPath || f.looksAtPath(sets), goesOn: g.goesOn || out.ended == ""}
		groups[r.Group] = g
		if len(sets) == 0 && (!inGroup || !g.goesOn) {
			f = out
		} else {
			f = f.or(out)
		}
	}
	return f
}

// group describes the routes of a group. Each request takes the first route of
// the group that matches.
type group struct {
	byPath bool // a route is chosen by the path
	goesOn bool // requests leave a route
}

// or returns the facts that are true of requests from either of two flows,
// which began at the same position.
func (f *flow) or(other flow) flow {
	switch {
	case other.ended != "":
		return *f
	case f.ended != "":
		return other
	}
	both := *f
	if both.some == nil {
		both.some = other.some
	}
	both.guards = nil
	for i := range min(len(f.guards), len(other.guards)) {
		if f.guards[i] != other.guards[i] {
			break
		}
		both.guards = f.guards[:i+1]
	}
	both.values = union(f.values, other.values)
	return both
}

// in returns the flow into a route with these matchers.
func (f *flow) in(sets caddyhttp.MatcherSets) flow {
	inner := *f
	var named []string
	for _, set := range sets {
		for _, m := range set {
			if hosts, ok := m.(*caddyhttp.MatchHost); ok {
				named = append(named, *hosts...)
			}
		}
	}
	if len(named) > 0 {
		inner.hosts, inner.named = named, named
	}
	if text := describe(sets); text != "" {
		inner.matchers = append(slices.Clip(f.matchers), text)
	}
	if inner.paths == nil {
		inner.paths = pathsOf(sets)
	}
	inner.bound = f.bound || f.looksAtPath(sets)
	return inner
}

// handlers follows requests through the handlers of a route.
func (s *survey) handlers(all []any, f flow) flow {
	for _, h := range all {
		f = s.handler(h, f)
	}
	return f
}

func (s *survey) handler(h any, f flow) flow {
	before := f
	switch h := h.(type) {
	case *Guard:
		s.guards++
		if h.Place == "" {
			h.Place = place("server " + s.name) // JSON has no lines
		}
		if f.ended != "" {
			s.holes = append(s.holes, hole{spot: f.spot, guard: h.Place, message: "a guard never runs, because " + f.ended +
				" before it answers every request: put `curfew` first"})
		}
		if err := f.readable(setsOf(h.MatcherSetsRaw, h.covers.sets)); err != nil {
			s.unreadable = append(s.unreadable, h.Place.name(err))
		}
		if len(h.Session) > 0 {
			s.takers = append(s.takers, signInSpot{s.server, f.named, h.Session, h.Place})
		}
		s.addResources(h, f)
		f.guards = append(slices.Clip(f.guards), h)
		if f.some == nil {
			f.some = h
		}
	case *caddyhttp.Subroute:
		f = s.routes(h.Routes, f)
		if h.Errors != nil {
			f = f.or(s.routes(h.Errors.Routes, before)) // requests that leave these routes go on
		}
	case *caddyhttp.Invoke:
		route := s.server.NamedRoutes[h.Name]
		if route == nil || slices.Contains(s.named, h.Name) {
			break
		}
		s.named = append(s.named, h.Name)
		f = s.routes(caddyhttp.RouteList{*route}, f)
		s.named = s.named[:len(s.named)-1]
	case *reverseproxy.Handler:
		f = s.proxy(h, f)
	case *intercept.Intercept:
		for _, response := range h.HandleResponse {
			s.routes(response.Routes, before)
		}
	case *fileserver.FileServer:
		if !h.PassThru {
			f.end("`file_server`")
		}
	case *caddyhttp.StaticResponse:
		f.end("`respond`")
	case *caddyhttp.StaticError:
		f.end("`error`")
	case *SignInSite:
		if h.Place == "" {
			h.Place = place("server " + s.name) // JSON has no lines
		}
		s.offers = append(s.offers, signInSpot{s.server, f.named, h.Names, h.Place})
		if slices.ContainsFunc(f.guards, func(g *Guard) bool { return len(g.MatcherSetsRaw) == 0 && len(g.covers.sets) == 0 }) {
			s.unreadable = append(s.unreadable, h.Place.name(errors.New("a guard stands before `curfew_sign_in` and refuses whoever wants to sign in: put `curfew_sign_in` first")))
		}
	case *Admin:
		f.end("`curfew_admin`")
	default:
		f.set(h)
	}
	return f
}

func (f *flow) end(by string) {
	if f.ended == "" {
		f.ended = by
	}
}

// proxy records that requests reach the upstreams of h.
func (s *survey) proxy(h *reverseproxy.Handler, f flow) flow {
	if f.ended != "" {
		return f
	}
	ended := f
	ended.end("`reverse_proxy`")
	for _, response := range h.HandleResponse {
		if len(response.Routes) > 0 {
			ended = ended.or(s.routes(response.Routes, f)) // requests that leave these routes go on
		}
	}
	if ended.ended == "" && asksAbout(h) {
		return ended
	}
	for _, u := range upstreamsOf(h) {
		s.ways = append(s.ways, way{f.spot, u, len(f.guards) > 0})
		if s.guarded[u.id] == nil {
			s.guarded[u.id] = f.some
		}
	}
	return ended
}

// asksAbout reports whether a proxy only asks its upstream about a request and
// lets the request go on, such as forward_auth. Its upstream gets a path of the
// configuration, and no path that a client has chosen.
func asksAbout(h *reverseproxy.Handler) bool {
	if h.Rewrite == nil || h.Rewrite.Method == "" {
		return false
	}
	path, _, _ := strings.Cut(h.Rewrite.URI, "?")
	return path != "" && len(placeholdersIn(path)) == 0
}

// upstreamsOf returns the upstreams of a proxy.
func upstreamsOf(h *reverseproxy.Handler) []upstream {
	var all []upstream
	for _, u := range h.Upstreams {
		all = append(all, upstream{u.Dial, dialled(u.Dial)})
	}
	var source any = h.DynamicUpstreams
	if h.DynamicUpstreamsRaw != nil {
		source, _ = moduleOf("http.reverse_proxy.upstreams", "source", h.DynamicUpstreamsRaw)
	}
	name := ""
	switch source := source.(type) {
	case *reverseproxy.AUpstreams:
		name = strings.TrimSpace("dynamic a " + source.Name + " " + source.Port)
	case *reverseproxy.SRVUpstreams:
		name = "dynamic srv " + strings.Join(strings.Fields(source.Service+" "+source.Proto+" "+source.Name), " ")
	case caddy.Module:
		name = "dynamic " + source.CaddyModule().ID.Name()
	}
	if name != "" {
		all = append(all, upstream{name, name})
	}
	return all
}

// upstream is a server to which a proxy sends requests.
type upstream struct {
	shown string // as written in the configuration
	id    string // equal for all spellings of an address, and for all sources that can't be compared
}

// dialled returns one spelling for all spellings of an address.
func dialled(address string) string {
	address = strings.ToLower(caddy.NewReplacer().ReplaceKnown(address, ""))
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.Contains(host, "/") {
		return address
	}
	if loopback.Is(host) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// set records the values that a handler sets and a matcher could read later.
func (f *flow) set(h any) {
	switch h := h.(type) {
	case *caddyhttp.VarsMiddleware:
		for name, value := range *h {
			f.put(varNames+name, "`vars`", fmt.Sprint(value))
		}
	case *maphandler.Handler:
		values := append(slices.Clone(h.Defaults), h.Source)
		for _, m := range h.Mappings {
			for _, output := range m.Outputs {
				values = append(values, fmt.Sprint(output))
			}
		}
		for _, name := range h.Destinations {
			f.put(strings.Trim(name, "{}"), "`map`", values...)
		}
	case *headers.Handler:
		if h.Request == nil {
			break
		}
		for _, fields := range []map[string][]string{h.Request.Add, h.Request.Set} {
			for name, values := range fields {
				f.put(headerNames+name, "`request_header`", values...)
			}
		}
		for _, name := range h.Request.Delete {
			f.put(headerNames+name, "`request_header`")
		}
		for name, all := range h.Request.Replace {
			for _, r := range all {
				f.put(headerNames+name, "`request_header`", r.Replace, r.Search, r.SearchRegexp)
			}
		}
	case *rewrite.Rewrite:
		f.setByRewrite(h)
	}
}

func (f *flow) setByRewrite(h *rewrite.Rewrite) {
	if h.Method != "" {
		f.put("http.request.method", "`method`", h.Method)
	}
	if _, query, ok := strings.Cut(h.URI, "?"); ok {
		for pair := range strings.SplitSeq(query, "&") {
			key, value, ok := strings.Cut(pair, "=")
			switch names := placeholdersIn(key); {
			case ok && len(names) == 0:
				if plain, err := url.QueryUnescape(key); err == nil {
					key = plain
				}
				f.put(queryNames+key, "`rewrite`", value)
			case f.dependsOnPath(names):
				f.put(queryNames+"*", "`rewrite`", pair)
			}
		}
	}
	if q := h.Query; q != nil {
		for _, arguments := range slices.Concat(q.Rename, q.Set, q.Add) {
			f.put(queryNames+arguments.Key, "`uri query`", arguments.Val)
		}
		for _, arguments := range q.Rename {
			f.put(queryNames+arguments.Val, "`uri query`", arguments.Key)
		}
		for _, r := range q.Replace {
			f.put(queryNames+r.Key, "`uri query`", r.Replace, r.Search, r.SearchRegexp)
		}
		for _, key := range q.Delete {
			f.put(queryNames+key, "`uri query`")
		}
	}
}

// put records one value. The value depends on the path if it is made from the
// path, or if it is set on some paths only.
func (f *flow) put(name, by string, values ...string) {
	why := ""
	if f.bound || f.dependsOnPath(placeholdersIn(append(values, name)...)) {
		why = "which " + by + " computes from the path as sent"
	}
	f.values = union(f.values, map[string]string{general(name): why})
}

// general returns the name under which a value is recorded. The name of a
// header field gets its canonical form. If the name is not known in advance,
// the value counts for all names of its kind.
func general(name string) string {
	for _, kind := range []string{headerNames, queryNames, varNames} {
		field, ok := strings.CutPrefix(name, kind)
		switch {
		case !ok:
		case strings.ContainsAny(field, "*{"):
			return kind + "*"
		case kind == headerNames:
			return kind + canonical(field)
		}
	}
	return name
}

// made returns the reason why an earlier handler made the value of a
// placeholder depend on the path. Known reports whether an earlier handler has
// set it.
func (f *flow) made(name string) (why string, known bool) {
	name = general(name)
	for other, because := range f.values {
		if other == name || overlap(name, other) {
			known = known || other == name
			why = max(why, because)
		}
	}
	return why, known
}

// overlap reports whether a read of one name may return a value that was set
// under another name.
func overlap(read, set string) bool {
	switch {
	case strings.HasPrefix(set, headerNames):
		field := set[len(headerNames):]
		switch {
		case strings.HasPrefix(read, "http.request.cookie."):
			return field == "Cookie" || field == "*"
		case strings.HasPrefix(read, "http.request.host"), read == "http.request.port":
			return field == "Host" || field == "*"
		}
		return read == headerNames+"*" || field == "*" && strings.HasPrefix(read, headerNames)
	case strings.HasPrefix(set, queryNames):
		switch read {
		case "http.request.uri.query", "http.request.uri.query_escaped", "http.request.uri.prefixed_query":
			return true
		}
		return set == queryNames+"*" && strings.HasPrefix(read, queryNames)
	}
	return set == varNames+"*" && strings.HasPrefix(read, varNames)
}

func union(a, b map[string]string) map[string]string {
	if len(b) == 0 {
		return a
	}
	all := maps.Clone(a)
	if all == nil {
		all = make(map[string]string)
	}
	for name, why := range b {
		if before := all[name]; before == "" {
			all[name] = why
		}
	}
	return all
}

// report logs the holes, or returns them as an error.
func (s *survey) report(a *App) error {
	for _, w := range s.ways {
		if g := s.guarded[w.id]; g != nil && !w.guarded {
			s.holes = append(s.holes, hole{spot: w.spot, upstream: w.shown, guard: g.Place, message: "a route reaches a guarded upstream without a guard: " +
				"put `curfew` before it, at the top of the site, or give it an upstream of its own"})
		}
	}
	var refused []error
	told := make(map[string]bool)
	for _, h := range s.holes {
		err := h.error()
		switch {
		case told[err.Error()]:
		case a.StrictSites:
			refused = append(refused, err)
		default:
			a.log.Warn(h.message, "host", strings.Join(h.hosts, " "), "matcher", strings.Join(h.matchers, ", "), "upstream", h.upstream, "guard", string(h.guard))
		}
		told[err.Error()] = true
	}
	return errors.Join(refused...)
}

func (h *hole) error() error {
	text := "strict_sites: " + h.message + ": host " + strings.Join(h.hosts, " ")
	if len(h.matchers) > 0 {
		text += ", matcher " + strings.Join(h.matchers, ", ")
	}
	if h.upstream != "" {
		text += ", upstream " + h.upstream
	}
	if h.guard != "" {
		text += "; the guard is at " + string(h.guard)
	}
	return errors.New(text)
}
