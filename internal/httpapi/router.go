package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// router knows exact paths, and paths with one more segment that is an id. Paths
// are not cleaned, unescaped or redirected, so the path that was authorised is
// the path that is served. It is the framework's adapter. The zero value has no
// routes.
type router struct {
	prefix string
	exact  map[string]methods
	below  map[string]methods // by the path above the id
}

// methods are the routes of one path.
type methods map[string]*route

type route struct {
	op     *huma.Operation
	handle func(huma.Context)
}

// Handle adds a route.
func (m *router) Handle(op *huma.Operation, handle func(huma.Context)) {
	if m.exact == nil {
		m.exact, m.below = make(map[string]methods), make(map[string]methods)
	}
	table, path := m.exact, m.prefix+op.Path
	if above, isID := strings.CutSuffix(path, "/{id}"); isID {
		table, path = m.below, above
	}
	if table[path] == nil {
		table[path] = make(methods)
	}
	table[path][op.Method] = &route{op, handle}
	if op.Method == http.MethodGet {
		// The server leaves the body out (RFC 9110 section 9.3.2).
		table[path][http.MethodHead] = table[path][op.Method]
	}
}

// find gives the routes of a path as it was sent, and the id in it.
func (m *router) find(path string) (found methods, id string) {
	if found = m.exact[path]; found != nil {
		return found, ""
	}
	cut := strings.LastIndexByte(path, '/') + 1
	if cut < 1 {
		return nil, ""
	}
	found, id = m.below[path[:cut-1]], path[cut:]
	for _, t := range found {
		if shape := operationOf(t.op).Shape; !shape.MatchString(id) {
			return nil, ""
		}
	}
	return found, id
}

// allowed is the value of an Allow header.
func (m methods) allowed() string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// serve runs the operation. The gate is before it.
func (t *route) serve(w http.ResponseWriter, r *http.Request) {
	t.handle(humago.NewContext(t.op, r, w))
}

// ServeHTTP makes the router an adapter. Requests come by way of the gate only.
func (m *router) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNotFound)
}
