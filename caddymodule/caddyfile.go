package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("curfew", parseGlobal)
	httpcaddyfile.RegisterHandlerDirective("curfew_health", parseHandler(func() handler { return new(Health) }))
	httpcaddyfile.RegisterHandlerDirective("curfew_admin", parseHandler(func() handler { return new(Admin) }))
	httpcaddyfile.RegisterDirective("curfew_sign_in", parseSignInSite)
	httpcaddyfile.RegisterDirective("curfew", parseGuard)
	// These handlers answer paths of their own. They come before redir, rewrite and
	// try_files, which would change the paths. Each goes just before redir, so the
	// last one is nearest to it.
	for _, name := range []string{"curfew_health", "curfew_admin", "curfew_sign_in"} {
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "redir")
	}
	httpcaddyfile.RegisterDirectiveOrder("curfew", httpcaddyfile.Before, "basic_auth")
}

type handler interface {
	caddyhttp.MiddlewareHandler
	caddyfile.Unmarshaler
}

func parseHandler(newHandler func() handler) httpcaddyfile.UnmarshalHandlerFunc {
	return func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		m := newHandler()
		return m, m.UnmarshalCaddyfile(h.Dispenser)
	}
}

// parseGuard reads the directive like a handler directive, but gives the
// matcher to the guard itself, in an [AnyReading]. The guard then sees every
// request of its site, and removes forged identity headers from all of them.
func parseGuard(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	g := new(Guard)
	if global, ok := h.Option("curfew").(httpcaddyfile.App); ok {
		g.app = decodeApp(global.Value) // to check the guard against
	}
	if err := g.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if len(matcher) > 0 {
		g.MatcherSetsRaw = caddyhttp.RawMatcherSets{{"curfew_any_reading": caddyconfig.JSON(AnyReading{
			MatcherSetsRaw: caddyhttp.RawMatcherSets{matcher},
		}, nil)}}
	}
	return h.NewRoute(nil, g), nil
}

// parseSignInSite reads the directive, which takes no matcher.
func parseSignInSite(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	s := new(SignInSite)
	if global, ok := h.Option("curfew").(httpcaddyfile.App); ok {
		s.app = decodeApp(global.Value) // to check the names against
	}
	if err := s.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return h.NewRoute(nil, s), nil
}

func parseGlobal(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next() // so that the error names this line
		return nil, d.Err("a second global curfew block: merge the two")
	}
	a := new(App)
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "curfew", Value: caddyconfig.JSON(a, nil)}, nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*App)(nil)
	_ handler               = (*Guard)(nil)
	_ handler               = (*Health)(nil)
	_ handler               = (*Admin)(nil)
	_ handler               = (*SignInSite)(nil)
)
