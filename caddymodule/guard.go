package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

func init() { caddy.RegisterModule(new(Guard)) }

// Guard admits requests that carry a valid credential which is not revoked and
// satisfies the requirements of the route, and tells the handlers behind it
// who it is in `Curfew-*` request headers. Guards add up: where several match,
// each must be satisfied.
//
// It sets these placeholders:
//
// Placeholder | Description
// ------------|------------
// `{http.auth.user.id}` | The subject (see `log_user`)
// `{http.curfew.reason}` | Why the request was refused
// `{http.curfew.problem_type}` | The problem type of the refusal, a URN
// `{http.curfew.revocation_id}` | The record that refused, if one did
type Guard struct {
	// Which requests the guard is for, as in a route. Others pass, but without
	// what the client sent in headers that are ours. Default: all.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// Names of policies to satisfy, beside the requirements written here.
	Policies []string `json:"policies,omitempty"`
	Requirements

	// The issuers to accept, of those configured. Default: all.
	Issuers []string `json:"issuers,omitempty"`

	// The audiences to accept, of those configured. Default: all. A guard must
	// narrow one of the two where several issuers or audiences exist.
	Audiences []string `json:"audiences,omitempty"`

	// Where the credential may be: `header`, or `cookie <name>`. Default: header.
	TokenFrom []TokenSource `json:"token_from,omitempty"`

	// Let requests without a credential pass as anonymous; bad ones are refused.
	Optional bool `json:"optional,omitempty"`

	// Let pass what would be refused, without identity, and count it.
	DryRun bool `json:"dry_run,omitempty"`

	// CORS preflights without a credential: `refuse` (the default) or `pass`.
	Preflight string `json:"preflight,omitempty"`

	// A token in the query: `refuse` (the default) or `ignore`.
	QueryToken string `json:"query_token,omitempty"`

	// How refusals are answered: `respond` (the default) or `handle_errors`.
	Refusal string `json:"refusal,omitempty"`

	// Where browsers are sent to sign in, by a 302.
	SignInURL string `json:"sign_in_url,omitempty"`

	// Further request headers and the claims they carry.
	IdentityHeaders map[string]string `json:"identity_headers,omitempty"`

	// What becomes of the Authorization header: `pass` (the default) or `strip`.
	Authorization string `json:"authorization,omitempty"`

	// The protocols to which requests may upgrade, over HTTP/1.1 or by extended
	// CONNECT. Other names are taken out of the Upgrade header, also on routes of
	// the same server that no guard covers; there, what any of its guards names
	// passes. A guard sees nothing of what follows an upgrade: a protocol that
	// carries requests of its own, such as h2c, goes around it. Default: websocket.
	Upgrade protocols `json:"upgrade,omitempty"`

	Connections

	// Where the Caddyfile has it, for messages: filled in by the adapter.
	Place place `json:"place,omitempty"`

	app      *App
	log      *zap.Logger
	entrance *entrance
	covers   AnyReading
	required policy.Requirements
	takes    map[string][]string // audiences, by issuer
	sources  token.Sources
	identity identity
	outcomes *outcomes
	label    string
}

// TokenSource is one place that a credential may come from.
type TokenSource struct {
	// `header` or `cookie`.
	In string `json:"in"`
	// The cookie's name.
	Name string `json:"name,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Guard) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.curfew", New: func() caddy.Module { return new(Guard) }}
}

// Provision resolves policies, sources and counters.
func (g *Guard) Provision(ctx caddy.Context) error {
	var err error
	if g.app, err = appOf(ctx, "curfew"); err != nil {
		return err
	}
	if err := g.provision(ctx); err != nil {
		return g.Place.name(err)
	}
	if err := g.app.survey(ctx); err != nil {
		return err
	}
	// The survey looks at routes as they are written, so nothing is put into
	// them before.
	return g.Place.name(g.cover(ctx))
}

func (g *Guard) provision(ctx caddy.Context) error {
	g.log = ctx.Logger()
	if err := g.loadMatchers(ctx); err != nil {
		return err
	}
	if err := g.setDefaults(); err != nil {
		return err
	}
	if err := g.require(); err != nil {
		return err
	}
	if err := g.narrow(); err != nil {
		return err
	}
	for _, from := range g.TokenFrom {
		source, err := from.source()
		if err != nil {
			return err
		}
		if slices.Contains(g.sources, source) {
			return fmt.Errorf("token_from %s %s is given twice: every credential would be found twice, and refused", from.In, from.Name)
		}
		g.sources = append(g.sources, source)
	}
	var err error
	if g.identity, err = newIdentity(g.IdentityHeaders); err != nil {
		return err
	}
	g.app.carried.mapped = append(g.app.carried.mapped, g.identity.mapped...)
	if err := g.app.keepClaims(g.IdentityHeaders); err != nil {
		return err
	}
	g.label = "default"
	if len(g.Policies) > 0 {
		g.label = strings.Join(g.Policies, "+")
	}
	g.outcomes = g.app.gateway.metrics.outcomes(g.label)
	return nil
}

// cover has every request to the guard's server pass its entrance.
func (g *Guard) cover(ctx caddy.Context) error {
	var err error
	if g.entrance, err = g.app.entranceOf(ctx); err != nil {
		return err
	}
	g.entrance.upgrades.add(g.Upgrade)
	if g.Upgrade.has(overHTTP2) {
		g.app.log.Warn("a guard lets requests upgrade to h2c: what is asked over such a connection passes every guard unseen")
	}
	return nil
}

// loadMatchers has the guard's matcher asked about every reading, whether or
// not the configuration says so.
func (g *Guard) loadMatchers(ctx caddy.Context) error {
	if len(g.MatcherSetsRaw) == 0 {
		return nil
	}
	g.covers.MatcherSetsRaw, g.MatcherSetsRaw = g.MatcherSetsRaw, nil
	if err := g.covers.load(ctx); err != nil || surveyed(ctx) {
		return err
	}
	return new(flow).readable(g.covers.sets)
}

func (g *Guard) setDefaults() error {
	if len(g.TokenFrom) == 0 {
		g.TokenFrom = []TokenSource{{In: "header"}}
	}
	if len(g.Upgrade) == 0 {
		g.Upgrade = protocols{webSocket}
	}
	return errors.Join(
		choose("preflight", &g.Preflight, []string{"refuse", "pass"}),
		choose("query_token", &g.QueryToken, []string{"refuse", "ignore"}),
		choose("refusal", &g.Refusal, []string{"respond", "handle_errors"}),
		choose("authorization", &g.Authorization, []string{"pass", "strip"}),
		checkSignInURL(g.SignInURL),
		g.Upgrade.check(),
		g.Connections.setDefaults(),
	)
}

// require adds the named policies and the guard's own requirements up.
func (g *Guard) require() error {
	for _, name := range g.Policies {
		p, known := g.app.Policies[name]
		if !known {
			return fmt.Errorf("policy %q is not defined: add `policy %s { … }` to the global curfew options", name, name)
		}
		r, err := p.compile()
		if err != nil {
			return fmt.Errorf("policy %s: %w", name, err)
		}
		g.required = g.required.Merge(r)
	}
	own, err := g.Requirements.compile()
	if err != nil {
		return err
	}
	g.required = g.required.Merge(own)
	return nil
}

// narrow finds which audiences of which issuers the guard takes. A token is
// for an audience only if its own issuer may speak for that one: otherwise any
// issuer could name the audience of another's services.
func (g *Guard) narrow() error {
	for _, url := range g.Issuers {
		if g.app.issuer(url) == nil {
			return fmt.Errorf("issuer %q is not configured: add it to the global curfew options", url)
		}
	}
	if len(g.Issuers) == 0 && len(g.Audiences) == 0 && g.app.ambiguous() {
		return errors.New("several issuers or audiences are configured, so this guard must say whose tokens it takes: add `issuer …` or `audience …` to it")
	}
	g.takes = make(map[string][]string)
	for _, i := range g.app.Issuers {
		if len(g.Issuers) > 0 && !slices.Contains(g.Issuers, i.URL) {
			continue
		}
		g.takes[i.URL] = slices.DeleteFunc(slices.Concat(i.Audiences, i.Clients), func(a string) bool {
			return len(g.Audiences) > 0 && !slices.Contains(g.Audiences, a)
		})
	}
	for _, a := range g.Audiences {
		if !g.reachable(a) {
			return fmt.Errorf("audience %q is not configured for any issuer of this guard: add it to the global curfew options", a)
		}
	}
	return nil
}

func (g *Guard) reachable(audience string) bool {
	for _, taken := range g.takes {
		if slices.Contains(taken, audience) {
			return true
		}
	}
	return false
}

// ambiguous reports whether a guard must say which tokens it takes.
func (a *App) ambiguous() bool { return len(a.Issuers) > 1 || len(a.Issuers[0].Audiences) > 1 }

func (s TokenSource) source() (token.Source, error) {
	switch {
	case s.In == "header" && s.Name == "":
		return token.Source{}, nil
	case s.In == "cookie" && isToken(s.Name):
		return token.Source{Cookie: s.Name}, nil
	}
	return token.Source{}, fmt.Errorf("token_from %s %s: want `header` or `cookie <name>`", s.In, s.Name)
}

// isToken reports whether s can be the name of a header or cookie.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// visit is what guards know of a request, shared by those that it meets.
type visit struct {
	token    *token.Token
	from     token.Source
	cached   bool
	required *policy.Requirements // of the guards that admitted it; nil: none has
	guards   int
	policy.Case

	live *live.Request // while a guard has it registered
	next caddyhttp.Handler

	// Room of the request's own: one allocation for all that a guard needs.
	values headerValues
	logged logged
	stay   stay
}

// String keeps the visit out of sight of whoever prints Caddy's variables.
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
	v := newVisit(r)
	g.entrance.enter(r)
	return leave(r, g.visited(w, r, v, next))
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
		return err // it might be one that the guard is for
	case !covered:
		return next.ServeHTTP(w, r)
	}
	g.Upgrade.restrict(r.Header)
	if err := g.Upgrade.checkExtended(r); err != nil {
		return err
	}
	if g.Preflight == "pass" && g.isPreflight(r) {
		return g.bypass(w, r, v, next)
	}
	if err := g.judgeable(v, r, started); err != nil {
		refusal := refusalOf(err)
		if refusal.Reason == policy.NoCredential && g.Optional {
			return g.bypass(w, r, v, next)
		}
		return g.refuse(w, r, next, v, refusal, err)
	}
	v.Requirements = &g.required
	v.Issuer = g.app.issuers[v.Credential.Issuer]
	d := v.Decide()
	g.observe(v.cached, started)
	if !d.Admits() {
		if v.required != nil {
			// What earlier guards asked for is part of the challenge.
			v.Requirements = v.requiredWith(g)
			d = v.Decide()
		}
		return g.refuse(w, r, next, v, d, nil)
	}
	v.guards++
	if !g.DryRun { // a trial asks for nothing
		v.required = v.requiredWith(g)
	}
	g.outcomes.admit.Inc()
	if g.app.gateway.node.StaleAt(started) {
		g.app.gateway.metrics.staleAdmissions.Inc()
	}
	g.admit(r, v)
	return g.serve(w, r, v, next, started)
}

// requiredWith is what the guards before and g ask for together. What it was
// before is not changed: live requests are judged by it.
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

// errNotReady says that the gate is shut.
type errNotReady struct{ state node.State }

func (e errNotReady) Error() string { return "node is " + e.state.String() }

// judgeable finds the credential of a request and everything in the index that
// matches it, or says what stands in the way.
func (g *Guard) judgeable(v *visit, r *http.Request, now time.Time) error {
	n := g.app.gateway.node
	if s := n.StateAt(now); s != node.Ready {
		return g.anonymousOr(r, errNotReady{s})
	}
	if g.QueryToken == "refuse" && token.QueryToken(r) {
		return &token.Error{Kind: token.Ambiguous, Detail: "the query carries a token"}
	}
	if err := g.identify(v, r, now); err != nil {
		return err
	}
	if !g.isFor(v.Credential) {
		return &token.Error{Kind: token.Invalid, Detail: "the token is for another issuer or audience than this route takes"}
	}
	v.Now = now.Unix()
	look(n, v.token, &v.Case)
	return nil
}

// identify verifies the request's token, unless a guard before did. A token
// from a place where this guard doesn't look is none to it.
func (g *Guard) identify(v *visit, r *http.Request, now time.Time) error {
	if v.token != nil && slices.Contains(g.sources, v.from) {
		return nil
	}
	raw, from, err := g.sources.Extract(r)
	if err != nil {
		return err
	}
	if v.token != nil {
		return &token.Error{Kind: token.Ambiguous, Detail: "two guards would take two credentials"}
	}
	t, cached, err := g.app.verifier.Verify(r.Context(), raw, now)
	g.app.gateway.metrics.looked(cached)
	if err != nil {
		return err
	}
	if !cached {
		g.app.note(t)
	}
	v.token, v.from, v.cached, v.Credential = t, from, cached, &t.Credential
	return nil
}

// anonymousOr lets a request without a credential pass an optional guard even
// while the node is not ready: nothing of it is to be decided.
func (g *Guard) anonymousOr(r *http.Request, err error) error {
	if g.Optional && !(g.QueryToken == "refuse" && token.QueryToken(r)) {
		if _, _, missing := g.sources.Extract(r); isMissing(missing) {
			return missing
		}
	}
	return err
}

func isMissing(err error) bool {
	var e *token.Error
	return errors.As(err, &e) && e.Kind == token.Missing
}

// isFor reports whether the token is for this route.
func (g *Guard) isFor(c *revocation.Credential) bool {
	return slices.ContainsFunc(g.takes[c.Issuer], func(a string) bool { return slices.Contains(c.Audiences, a) })
}

// look asks the index, unless it has not changed since nothing in it refused
// this token.
func look(n *node.Node, t *token.Token, c *policy.Case) {
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

// harmless reports whether what was found refuses nothing of this credential,
// whatever the time and the route. Most findings are: of what expired an
// instant stays behind for everybody, and who signed in again after a sign-out
// is found for as long as that is kept.
func harmless(f *revocation.Finding, c *revocation.Credential) bool {
	if f.Clear() {
		return true
	}
	return !f.Blocked && !f.Finally && len(f.StepUps) == 0 && c.AuthTime > f.SignIn.Through && c.IssuedAt > f.Refresh.Through
}

// bypass passes a request without a credential on: as anonymous, unless a guard
// that looks elsewhere has found one.
func (g *Guard) bypass(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	g.outcomes.bypass.Inc()
	if v.guards == 0 {
		g.identity.anonymous(r)
	}
	logDecision(r, &logged{decision: "bypass", policy: g.label})
	return next.ServeHTTP(w, r)
}

// admit tells the handlers behind, and the access log, who it is.
func (g *Guard) admit(r *http.Request, v *visit) {
	g.identity.set(r.Header, v.token, &v.values)
	if g.Authorization == "strip" {
		r.Header.Del("Authorization")
	}
	g.app.setUser(r, factsOf(v.token))
	v.logged = logged{
		decision: "admit", policy: g.label, issuer: v.Credential.Issuer, client: v.Credential.Client, cached: v.cached,
	}
	logDecision(r, &v.logged)
}

// isPreflight reports whether a browser asks if it may ask (Fetch standard,
// 4.8). It never sends a credential with that, so what has one is none.
func (g *Guard) isPreflight(r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" ||
		strings.Join(r.Header["Authorization"], "") != "" || g.QueryToken == "refuse" && token.QueryToken(r) {
		return false
	}
	_, _, err := g.sources.Extract(r)
	return isMissing(err)
}

// refusalOf turns what stopped a request before it could be judged into the
// decision that it amounts to.
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

// canonical is the form in which net/http keeps a header's name.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// Interface guards
var (
	_ caddy.Provisioner           = (*Guard)(nil)
	_ caddyhttp.MiddlewareHandler = (*Guard)(nil)
)
