// Command caddy is a Caddy with a handler that sets request headers and does
// nothing else. The overhead benchmark compares the guard with it: to pass an
// identity on costs time and memory, whoever does it.
package main

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

const directive = "benchmark_set"

func init() {
	caddy.RegisterModule(new(setter))
	httpcaddyfile.RegisterHandlerDirective(directive, func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		s := new(setter)
		return s, s.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterDirectiveOrder(directive, httpcaddyfile.Before, "reverse_proxy")
}

func main() { caddycmd.Main() }

// setter sets headers of each request.
type setter struct {
	Names  []string `json:"names"`
	Values []string `json:"values"`
}

// CaddyModule returns the Caddy module information.
func (*setter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers." + directive, New: func() caddy.Module { return new(setter) }}
}

// UnmarshalCaddyfile reads
//
//	benchmark_set {
//		<header> <value>
//	}
func (s *setter) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	for d.NextBlock(0) {
		name := http.CanonicalHeaderKey(d.Val())
		if !d.NextArg() {
			return d.ArgErr()
		}
		s.Names, s.Values = append(s.Names, name), append(s.Values, d.Val())
	}
	return nil
}

// ServeHTTP gives each request values of its own, as the guard does.
func (s *setter) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	values := append([]string(nil), s.Values...)
	for i, name := range s.Names {
		r.Header[name] = values[i : i+1 : i+1]
	}
	return next.ServeHTTP(w, r)
}
