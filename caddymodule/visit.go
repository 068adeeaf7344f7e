package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/internal/identity"
	"curfew.dev/curfew/live"
	"curfew.dev/curfew/login"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// visit is what guards know of a request. All guards on its route share it.
type visit struct {
	verified *token.Verified
	from     token.Source
	cached   bool
	admitted *login.Session       // that the credential is of; nil: of a token
	required *policy.Requirements // of the guards that admitted it; nil: none has
	guards   int
	by       *Guard // the last that admitted it
	asked    bool   // a guard has said what the service gets
	tells    identity.Extent
	policy.Case
	browser

	possession *possession // of the key of the token; nil where nothing was asked

	live *live.Request // while a guard has it registered
	next caddyhttp.Handler

	// Memory of the request's own: one allocation for everything that a guard needs.
	values identity.Values
	logged logged
	stay   stay
}

// String keeps the visit out of what a template or log prints of Caddy's variables.
func (*visit) String() string { return "" }

const visitVar = "curfew"

// ServeHTTP decides, and lets the request pass or answers it.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch v := caddyhttp.GetVar(r.Context(), visitVar).(type) {
	case *visit:
		return g.visited(w, r, v, next)
	case *entrance:
		return g.visited(w, r, newVisit(r), next)
	}
	if g.entrance.describe(w, r) {
		return nil
	}
	v := newVisit(r)
	g.entrance.enter(r, v)
	if g.app.signIns == nil {
		return leave(r, g.visited(w, r, v, next))
	}
	return leave(r, g.entrance.pass(w, r, v, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return g.visited(w, r, v, next)
	})))
}

func newVisit(r *http.Request) *visit {
	v := new(visit)
	caddyhttp.SetVar(r.Context(), visitVar, v)
	return v
}

// visited serves a request that has entered.
func (g *Guard) visited(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	started := g.app.gateway.now()
	switch covered, err := g.matches(r); {
	case err != nil:
		return err // the guard may be for this request
	case !covered:
		return next.ServeHTTP(w, r)
	}
	g.Upgrade.restrict(r.Header)
	if err := g.Upgrade.checkExtended(r); err != nil {
		return err
	}
	if proofs := r.Header[dpopHeader]; proofs != nil {
		g.keepProofs(r, v, proofs)
	}
	shown := g.read(r, v)
	if shown.crossSite {
		return g.refuse(w, r, next, v, policy.Decision{Reason: policy.CrossSite}, nil)
	}
	if g.passPreflights && shown.none() && isPreflight(r) {
		return g.bypass(w, r, v, next)
	}
	if err := g.judgeable(r.Context(), v, &shown, started); err != nil {
		refusal := refusalOf(err)
		if refusal.Reason == policy.NoCredential && g.Optional {
			return g.bypass(w, r, v, next)
		}
		return g.refuse(w, r, next, v, refusal, err)
	}
	v.Requirements = &g.required
	v.Issuer = g.app.issuers[v.Credential.Issuer]
	v.Claims = g.app.claimsOf(v.verified)
	d := v.Decide()
	g.observe(v.cached, started)
	if !d.Admits() {
		if v.required != nil {
			// The challenge includes the requirements of earlier guards.
			v.Requirements = v.requiredWith(g)
			d = v.Decide()
		}
		return g.refuse(w, r, next, v, d, nil)
	}
	v.guards++
	v.by = g
	if !g.DryRun { // a trial asks for nothing
		v.required = v.requiredWith(g)
	}
	g.outcomes.admit.Inc()
	if g.app.gateway.node.StaleAt(started) {
		g.app.gateway.metrics.staleAdmissions.Inc()
	}
	g.admit(r, v)
	if v.possession != nil {
		g.offerNonce(w.Header(), v.possession, started)
	}
	return g.serve(w, r, v, next, started)
}

// requiredWith adds the requirements of g to those of the guards before. It
// changes neither: live requests are judged by both.
func (v *visit) requiredWith(g *Guard) *policy.Requirements {
	if v.required == nil {
		return &g.required
	}
	all := v.required.Merge(g.required)
	return &all
}

// matches reports whether the guard is for this request.
func (g *Guard) matches(r *http.Request) (bool, error) {
	if len(g.covers.sets) == 0 {
		return true, nil
	}
	return g.covers.MatchWithError(r)
}

func (g *Guard) observe(cached bool, started time.Time) {
	took := time.Since(started).Seconds()
	if cached {
		g.outcomes.hit.Observe(took)
		return
	}
	g.outcomes.verify.Observe(took)
}

// shown is what a request shows a guard as its credential. It is read once for
// each guard, since handlers between two guards may change the request.
type shown struct {
	in      *http.Request
	known   bool // a guard before has verified it
	session *login.Session
	raw     string
	from    token.Source
	dpop    bool  // by the DPoP scheme
	err     error // why there is neither
	inQuery bool  // a token in the query, which the guard refuses
	// crossSite: a page of another site may have made the browser send the session.
	crossSite bool
}

// read looks for the credential where the guard takes one. A token that a guard
// before found in another place is not looked at.
func (g *Guard) read(r *http.Request, v *visit) shown {
	s := shown{in: r, inQuery: g.refuseQueryTokens && token.QueryToken(r)}
	if len(g.signIns) > 0 {
		g.readSession(&s, r, v)
	}
	if len(g.sources) == 0 {
		return s
	}
	if v.verified != nil && v.admitted == nil && slices.Contains(g.sources, v.from) {
		s.known = true
		return s
	}
	found, err := g.sources.Find(r)
	if found.DPoP {
		s.dpop, v.possess().dpop = true, true
	}
	if s.session == nil {
		s.raw, s.from, s.err = found.Raw, found.From, err
	} else if !isMissing(err) {
		s.session, s.known, s.crossSite, s.err = nil, false, false, errTwo
	}
	return s
}

func isMissing(err error) bool {
	var e *token.Error
	return errors.As(err, &e) && e.Kind == token.Missing
}

// none reports whether the request shows no credential in any place.
func (s *shown) none() bool {
	return !s.known && s.session == nil && !s.inQuery && isMissing(s.err)
}

// errNotReady says that the node can't decide.
type errNotReady struct{ state node.State }

func (e errNotReady) Error() string { return "node is " + e.state.String() }

// judgeable verifies the credential of a request and finds the records that
// match it, or returns why the request can't be judged. While the node is not
// ready, an optional guard still lets a request without a credential pass:
// nothing is decided about it.
func (g *Guard) judgeable(ctx context.Context, v *visit, s *shown, now time.Time) error {
	n := g.app.gateway.node
	if state := n.StateAt(now); state != node.Ready {
		if g.Optional && s.none() {
			return s.err
		}
		return errNotReady{state}
	}
	if s.inQuery {
		return &token.Error{Kind: token.Ambiguous, Detail: "the query carries a token"}
	}
	if err := g.identify(ctx, v, s, now); err != nil {
		return err
	}
	if v.admitted == nil && !g.isFor(v.Credential) {
		return &token.Error{Kind: token.Invalid, Detail: "the token is for another issuer or audience than this route takes"}
	}
	v.Now = now.Unix()
	look(n, v.verified, &v.Case)
	return nil
}

// identify verifies the token of a request and that its sender holds the key that
// it is bound to, unless a guard before did.
func (g *Guard) identify(ctx context.Context, v *visit, s *shown, now time.Time) error {
	switch {
	case s.known:
		if g.RequireBoundTokens || g.DPoPNonce {
			return g.proveAgain(v, now)
		}
		return nil
	case s.err != nil:
		return s.err
	case v.verified != nil:
		return &token.Error{Kind: token.Ambiguous, Detail: "two guards would take two credentials"}
	case s.session != nil:
		if !v.hit {
			g.app.note(&s.session.Verified)
		}
		v.verified, v.admitted, v.cached, v.Credential = &s.session.Verified, s.session, v.hit, &s.session.Credential
		return nil
	}
	t, cached, err := g.app.verifier.VerifyUnproven(ctx, s.raw, now)
	g.app.gateway.metrics.looked(cached)
	if err != nil {
		return err
	}
	if !cached {
		g.app.note(&t.Verified)
	}
	if t.Bound() || s.dpop || g.RequireBoundTokens {
		if err := g.prove(v, s, t, now); err != nil {
			return err
		}
	}
	v.verified, v.from, v.cached, v.Credential = &t.Verified, s.from, cached, &t.Credential
	return nil
}

// isFor reports whether the token is for this route.
func (g *Guard) isFor(c *revocation.Credential) bool {
	return slices.ContainsFunc(g.takes[c.Issuer], func(a string) bool { return slices.Contains(c.Audiences, a) })
}

// look asks the index, unless it has not changed since nothing in it refused
// this credential.
func look(n *node.Node, t *token.Verified, c *policy.Case) {
	index := n.Index()
	generation := index.Generation() + 1 // zero is "never looked"
	if t.Clean.Load() == generation {
		c.Finding = revocation.Finding{}
		return
	}
	index.Find(c.Credential, &c.Finding)
	if harmless(&c.Finding, c.Credential) {
		t.Clean.Store(generation)
	}
}

// harmless reports whether a finding can't refuse this credential, at any time
// and on any route. Most findings are harmless: an expired cut leaves an instant
// for all users, and a user who signed in again is found for as long as the
// sign-out is kept.
func harmless(f *revocation.Finding, c *revocation.Credential) bool {
	if f.Clear() {
		return true
	}
	return !f.Blocked && !f.Finally && len(f.StepUps) == 0 && c.AuthTime > f.SignIn.Through && c.IssuedAt > f.Refresh.Through
}

// bypass hands on a request that shows this guard no credential. The request is
// anonymous, unless another guard has found a credential in another place.
func (g *Guard) bypass(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	g.outcomes.bypass.Inc()
	if v.guards == 0 {
		g.identity.SetAnonymous(r.Header, g.extent(v))
	}
	logDecision(r, &logged{decision: "bypass", policy: g.label})
	return next.ServeHTTP(w, r)
}

// extent says what the service gets to know: what this guard says, else what the
// one before it said.
func (g *Guard) extent(v *visit) identity.Extent {
	if !v.asked || g.tellsAs {
		v.asked, v.tells = true, g.tells
	}
	return v.tells
}

// admit writes the identity for the handlers behind and for the access log.
func (g *Guard) admit(r *http.Request, v *visit) {
	facts := factsOf(v.verified)
	tells := g.extent(v)
	if !g.DryRun { // a trial takes nothing away
		g.identity.Narrow(r.Header, tells)
	}
	g.identity.Set(r.Header, &facts.headers, v.verified, &v.values, tells)
	if g.stripAuthorization {
		r.Header.Del("Authorization")
	}
	g.app.setUser(r, facts)
	v.logged = logged{
		decision: "admit", policy: g.label, issuer: v.Credential.Issuer, client: v.Credential.Client, cached: v.cached,
	}
	logDecision(r, &v.logged)
}

// isPreflight reports whether a browser asks if it may ask (Fetch standard,
// 4.8). A browser sends no credential with that, of any scheme.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != "" &&
		strings.Join(r.Header["Authorization"], "") == ""
}

// refusalOf is the decision for a request that can't be judged because of err.
func refusalOf(err error) policy.Decision {
	var (
		bad  *token.Error
		gate errNotReady
	)
	switch {
	case errors.As(err, &gate):
		if gate.state == node.Fenced {
			return policy.Decision{Reason: policy.Stale}
		}
		return policy.Decision{Reason: policy.NotReady}
	case errors.As(err, &bad):
		switch bad.Kind {
		case token.Missing:
			return policy.Decision{Reason: policy.NoCredential}
		case token.Ambiguous:
			return policy.Decision{Reason: policy.AmbiguousCredential}
		case token.NotReady:
			return policy.Decision{Reason: policy.NotReady}
		}
	}
	return policy.Decision{Reason: policy.InvalidToken}
}
