package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/internal/pathreading"
)

func init() { caddy.RegisterModule(new(AnyReading)) }

// AnyReading matches a request if the matchers in it match any way in which a
// server behind the gateway may read its path: with backslashes as slashes,
// with what is still percent-encoded decoded, without path parameters, cut at
// a NUL, and so on. The Caddyfile puts a guard's matcher into one, so that
// `/public/..%5cadmin` meets the guard of `/admin` as well.
//
// A reading is a request of its own: its URL, its request URI and every
// placeholder of the path follow it. A value that a handler computed from the path
// before can't follow, so a guard whose matcher reads such a value is refused at
// load.
//
// An extended CONNECT, such as a WebSocket over HTTP/2 or 3, is also matched as
// the upgrade over HTTP/1.1 that an upstream gets in its place, and a Host also
// in lower case and without a dot at its end.
//
// It can only make a guard apply more often, never less.
type AnyReading struct {
	// The matchers, as in a route.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	sets   caddyhttp.MatcherSets
	nested bool // in another one, which gives it each reading
}

// CaddyModule returns the Caddy module information.
func (*AnyReading) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.curfew_any_reading", New: func() caddy.Module { return new(AnyReading) }}
}

// Provision loads the matchers.
func (m *AnyReading) Provision(ctx caddy.Context) error {
	for _, parent := range ctx.Modules() {
		switch parent.(type) {
		case *Guard:
			m.nested = true // every guard asks its matcher about every reading
		case *AnyReading:
			m.nested = m.nested || parent != m
		}
	}
	return m.load(ctx)
}

func (m *AnyReading) load(ctx caddy.Context) error {
	loaded, err := ctx.LoadModule(m, "MatcherSetsRaw")
	if err != nil {
		return fmt.Errorf("loading the guard's matcher: %w", err)
	}
	return m.sets.FromInterface(loaded)
}

// MatchWithError asks the matchers about the request as it came and, if a server
// may take it for another one, about that too.
func (m *AnyReading) MatchWithError(r *http.Request) (bool, error) {
	matched, err := m.matchUpgrades(r)
	if err != nil || matched || m.nested {
		return matched, err
	}
	if host := plainHost(r.Host); host != r.Host {
		return m.matchUpgrades(seen(r, func(other *http.Request) { other.Host = host }, func(name string) bool {
			return name == "http.request.hostport" || name == "http.request.host" || strings.HasPrefix(name, "http.request.host.")
		}))
	}
	return false, nil
}

// matchUpgrades also asks about what reaches an upstream in the place of an
// extended CONNECT.
func (m *AnyReading) matchUpgrades(r *http.Request) (bool, error) {
	matched, err := m.matchPaths(r)
	if err != nil || matched || m.nested || extended(r) == "" {
		return matched, err
	}
	return m.matchPaths(upgrading(r))
}

// plainHost is a Host in lower case and without the dots at the end of a name:
// servers that choose by it see no difference, and placeholders do.
func plainHost(host string) string {
	host = strings.ToLower(host)
	if strings.HasSuffix(host, ".") {
		return strings.TrimRight(host, ".")
	}
	if name, port, ok := strings.Cut(host, ".:"); ok {
		return strings.TrimRight(name, ".") + ":" + port
	}
	return host
}

// seen is the request as a server sees it to which something else was sent. Of
// the placeholders, those differ that are asked for by these names.
func seen(r *http.Request, change func(*http.Request), differs func(name string) bool) *http.Request {
	ctx := r.Context()
	other := r.WithContext(ctx)
	change(other)
	sent, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return other
	}
	var ofOther *caddy.Replacer
	all := caddy.NewEmptyReplacer()
	all.Map(func(name string) (any, bool) {
		if !differs(name) {
			return sent.Get(name)
		}
		if ofOther == nil { // most matchers ask for none
			ofOther = caddyhttp.NewTestReplacer(&http.Request{Method: other.Method, Host: other.Host, Header: other.Header, URL: other.URL})
		}
		return ofOther.Get(name)
	})
	return other.WithContext(context.WithValue(ctx, caddy.ReplacerCtxKey, all))
}

// matchPaths asks about the path as it is and, if it can be read in another way,
// as that too.
func (m *AnyReading) matchPaths(r *http.Request) (bool, error) {
	matched, err := m.sets.AnyMatchWithError(r)
	if err != nil || matched || m.nested {
		return matched, err
	}
	if len(r.URL.Path) > pathreading.MaxLength && pathreading.Ambiguous(r.URL) {
		return true, nil
	}
	if r.URL.RawPath != "" {
		// {uri} is the path as it was encoded: `/%61dmin`.
		if matched, err := m.sets.AnyMatchWithError(reading(r, r.URL.Path)); err != nil || matched {
			return matched, err
		}
	}
	others, few := pathreading.Others(r.URL, caddyhttp.CleanPath)
	if !few {
		return true, nil
	}
	for _, path := range others {
		if matched, err := m.sets.AnyMatchWithError(reading(r, path)); err != nil || matched {
			return matched, err
		}
	}
	return false, nil
}

// reading is the request as a server sees it that reads its path as this one.
// The matchers that it is given can set no placeholder of the request itself.
func reading(r *http.Request, path string) *http.Request {
	u := *r.URL
	u.Path, u.RawPath = path, ""
	other := seen(r, func(other *http.Request) { other.URL, other.RequestURI = &u, u.RequestURI() }, followsPath)
	original, ok := other.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok || original.URL.Path != r.URL.Path {
		return other
	}
	original.URL, original.RequestURI = &u, u.RequestURI()
	return other.WithContext(context.WithValue(other.Context(), caddyhttp.OriginalRequestCtxKey, original))
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*AnyReading)(nil)
	_ caddyhttp.RequestMatcherWithError = (*AnyReading)(nil)
)
