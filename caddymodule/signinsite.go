package caddymodule

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/login"
)

func init() { caddy.RegisterModule(new(SignInSite)) }

// SignInSite serves `/.curfew/` of a site, at which browsers sign in and out. It
// compares that byte for byte with the path as it was sent, and passes every other
// request on. Nothing under it reaches an upstream.
type SignInSite struct {
	// The names of the sign-ins, of those configured. At least one; where there are
	// several, people choose.
	Names []string `json:"names,omitempty"`

	// The place in the Caddyfile. Error messages name it.
	Place place `json:"place,omitempty"`

	app  *App
	site *login.Site
}

// CaddyModule returns the Caddy module information.
func (*SignInSite) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.curfew_sign_in", New: func() caddy.Module { return new(SignInSite) }}
}

// UnmarshalCaddyfile reads
//
//	curfew_sign_in <name>…
func (s *SignInSite) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // curfew_sign_in
	s.Place = placeOf(d)
	s.Names = d.RemainingArgs()
	for _, name := range s.Names {
		if name != "" && (name[0] == '/' || name[0] == '@' || name[0] == '*') {
			return d.Errf("%s: curfew_sign_in takes no matcher, since it serves /.curfew/ of the whole site: remove it", name)
		}
	}
	if err := s.check(s.app); err != nil {
		return d.WrapErr(err)
	}
	return options{}.read(d, unchecked)
}

// check checks the names. Nil: the global options are not known.
func (s *SignInSite) check(app *App) error {
	if len(s.Names) == 0 {
		return errors.New("curfew_sign_in names no sign-in: write `curfew_sign_in <name>…`")
	}
	for i, name := range s.Names {
		for _, other := range s.Names[:i] {
			if name == other {
				return fmt.Errorf("curfew_sign_in names %s twice: remove one", name)
			}
		}
		if app != nil && app.signIn(name) == nil {
			return unknownSignIn(name)
		}
	}
	return nil
}

func unknownSignIn(name string) error {
	return fmt.Errorf("sign_in %q is not configured: add `sign_in %s { … }` to the global curfew options", name, name)
}

// Provision makes the handler of the site.
func (s *SignInSite) Provision(ctx caddy.Context) (err error) {
	if s.app, err = appOf(ctx, "curfew_sign_in", s.Place); err != nil {
		return err
	}
	if err := s.check(s.app); err != nil {
		return s.Place.name(err)
	}
	s.site = s.app.newSite(s.Names)
	s.site.Handle(http.MethodGet, "style.css", s.app.pages.StyleSheet())
	s.site.Handle(http.MethodGet, "logo", s.app.pages.LogoImage())
	s.site.Handle(http.MethodPost, "backchannel-logout", s.app.backchannelLogout(s.Names))
	if err := s.app.survey(ctx); err != nil {
		return err
	}
	_, err = s.app.entranceOf(ctx)
	return s.Place.name(err)
}

// newSite returns the handler of a site with these sign-ins, which are configured.
func (a *App) newSite(names []string) *login.Site {
	return a.signIns.NewSite(a.namedSignIns(names)...)
}

func (a *App) namedSignIns(names []string) []*login.SignIn {
	var all []*login.SignIn
	for _, name := range names {
		all = append(all, a.signIns.Named(name))
	}
	return all
}

// ServeHTTP answers what is under /.curfew/.
func (s *SignInSite) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !login.Serves(&http.Request{URL: addressOf(r)}) {
		return next.ServeHTTP(w, r)
	}
	v, ok := caddyhttp.GetVar(r.Context(), visitVar).(*visit)
	if !ok {
		return errors.New("the request came around the entrance of its server")
	}
	v.response.ours = true
	s.site.ServeHTTP(w, v.asSent(r))
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*SignInSite)(nil)
	_ caddyhttp.MiddlewareHandler = (*SignInSite)(nil)
)
