package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"curfew.dev/curfew/internal/pages"
	"curfew.dev/curfew/login"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/token"
)

var (
	errNoSession = &token.Error{Kind: token.Missing, Detail: "there is no browser session of a sign-in that this route takes"}
	errTwo       = &token.Error{Kind: token.Ambiguous, Detail: "the request carries a browser session and a token"}
)

// readSession looks for a browser session of a sign-in that the guard takes.
func (g *Guard) readSession(s *shown, r *http.Request, v *visit) {
	v.open(g.app.signIns, r, g.app.gateway)
	if v.session == nil || !slices.Contains(g.signIns, v.session.SignIn()) {
		s.err = errNoSession
		return
	}
	s.session, s.known = v.session, v.admitted == v.session
	s.crossSite = changesState(r) && !login.SameOrigin(r, v.secure)
}

// changesState reports whether a page of another site could do harm by making the
// browser send this request with its session.
func changesState(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return len(r.Header["Upgrade"]) > 0
	}
	return true
}

// leastMaxAge is the smallest max_age of a guard that takes sessions. A person needs
// that long to sign in and to come back.
const leastMaxAge = time.Minute

// resolveSessions checks the sign-ins that the guard names.
func (g *Guard) resolveSessions(app *App) error {
	if len(g.Session) == 0 {
		return nil
	}
	for i, name := range g.Session {
		if app.signIn(name) == nil {
			return in("session", name, unknownSignIn(name))
		}
		if slices.Contains(g.Session[:i], name) {
			return in("session", name, fmt.Errorf("session names %s twice: remove one", name))
		}
	}
	switch {
	case g.SignInURL != "":
		return in("sign_in_url", "", errors.New("sign_in_url is for a sign-in elsewhere, and `session` signs browsers in here: remove one of the two"))
	case len(g.sources) == 0 && len(g.Audiences) > 0:
		return in("audience", g.Audiences[0], errors.New("audience is for tokens, and this guard takes browser sessions only: remove it, or add `token_from header`"))
	case len(g.sources) == 0 && len(g.Issuers) > 0:
		return in("issuer", g.Issuers[0], errors.New("issuer is for tokens, and this guard takes browser sessions only: remove it, or add `token_from header`"))
	case g.required.MaxAge != nil && *g.required.MaxAge < leastMaxAge:
		return in("max_age", "", fmt.Errorf("max_age %s is too short for a browser, which would be sent to sign in again and again: give at least %s", *g.required.MaxAge, leastMaxAge))
	}
	return nil
}

// provisionSessions finds the sign-ins, and has their sessions keep the claims that
// the guard needs.
func (g *Guard) provisionSessions() {
	if len(g.Session) == 0 {
		return
	}
	g.signIns, g.site = g.app.namedSignIns(g.Session), g.app.newSite(g.Session)
	for _, s := range g.signIns {
		for _, m := range g.identity.Mapped() {
			s.Keep(login.Claim{Name: m.Claim})
		}
		for _, c := range g.required.Claims {
			s.Keep(login.Claim{Name: c.Name, Values: c.Values})
			if c.NeedsVerification() {
				s.Keep(login.Claim{Name: "email_verified"})
			}
		}
	}
}

// answerBrowser answers a refused request of a guard that takes sessions, if a
// person sees the answer. For every other one it returns the path at which a sign-in
// would mend a 401.
func (g *Guard) answerBrowser(w http.ResponseWriter, r *http.Request, v *visit, required *policy.Requirements, d *policy.Decision) (answered bool, signIn string) {
	status := d.Reason.Status()
	sent := v.asSent(r)
	if status == http.StatusUnauthorized {
		demand := login.DemandOf(required, d, v.admitted)
		v.response.ours = true
		if g.site.Begin(w, sent, demand, g.signIns...) {
			return true, ""
		}
		v.response.ours = false
		return false, demand.Path()
	}
	if status != http.StatusForbidden || g.failRefusals || !login.IsNavigation(r) {
		return false, ""
	}
	v.response.ours = true
	if d.Reason == policy.CrossSite {
		g.app.pages.Render(w, r, status, pages.CrossSite{})
		return true, ""
	}
	p := pages.Refused{Problem: d.Reason.String()}
	if s := v.admitted; s != nil {
		p.Account = pages.Account{Name: s.Person(), SignIn: s.SignIn().Title()}
		p.Link = s.SignIn().OtherAccount(sent.URL.RequestURI())
	}
	g.app.pages.Render(w, r, status, p)
	return true, ""
}
