package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"golang.org/x/net/http/httpguts"

	"curfew.dev/curfew/internal/identity"
	"curfew.dev/curfew/login"
	"curfew.dev/curfew/policy"
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

	// Where a token may be: `header`, or `cookie <name>`. Default: header, or
	// nowhere in a guard with `session`.
	TokenFrom []TokenSource `json:"token_from,omitempty"`

	// The sign-ins whose browser sessions are accepted. A guard with sign-ins looks
	// for a token only where `token_from` says. The site has `curfew_sign_in` with
	// these names.
	Session []string `json:"session,omitempty"`

	// Let requests without a credential pass as anonymous; bad ones are refused.
	Optional bool `json:"optional,omitempty"`

	// Let pass what would be refused, without identity, and count it.
	DryRun bool `json:"dry_run,omitempty"`

	// CORS preflights without a credential: `refuse` (the default) or `pass`.
	Preflight string `json:"preflight,omitempty"`

	// A token in the query: `refuse` or `ignore`. Default: refuse, or ignore in a
	// guard that takes browser sessions only.
	QueryToken string `json:"query_token,omitempty"`

	// How refusals are answered: `respond` (the default) or `handle_errors`.
	Refusal string `json:"refusal,omitempty"`

	// Where browsers are sent to sign in, by a 302.
	SignInURL string `json:"sign_in_url,omitempty"`

	// Which facts the service gets in `Curfew-*` headers: `all`, `minimal`
	// (`Curfew-Authenticated`, `-Issuer` and `-Subject`) or `none`. What a client
	// sends under these names is removed in each case. Default: as the guard before
	// on the route, or all.
	Identity string `json:"identity,omitempty"`

	// Further request headers and the claims they carry, whatever `identity` says.
	IdentityHeaders map[string]string `json:"identity_headers,omitempty"`

	// What becomes of the Authorization header: `pass` (the default) or `strip`.
	Authorization string `json:"authorization,omitempty"`

	// The protocols to which requests may upgrade, over HTTP/1.1 or by extended
	// CONNECT. Other names are taken out of the Upgrade header, also on routes of
	// the same server that no guard covers; there, what any of its guards names
	// passes. A guard sees nothing of what follows an upgrade: a protocol that
	// carries requests of its own, such as h2c, goes around it. Default: websocket.
	Upgrade protocols `json:"upgrade,omitempty"`

	// The description of the resource that the guard protects (RFC 9728): `on`, the
	// default, or `off`.
	ResourceMetadata string `json:"resource_metadata,omitempty"`

	Possession

	Connections

	// Where the Caddyfile has it, for messages: filled in by the adapter.
	Place place `json:"place,omitempty"`

	passPreflights     bool
	refuseQueryTokens  bool
	failRefusals       bool // as errors, for handle_errors
	stripAuthorization bool
	tellsAs            bool // Identity is given
	tells              identity.Extent

	app      *App
	log      *zap.Logger
	entrance *entrance
	covers   AnyReading
	required policy.Requirements
	takes    map[string][]string // audiences, by issuer
	sources  token.Sources
	signIns  []*login.SignIn // of Session
	site     *login.Site
	identity identity.Headers
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

// UnmarshalCaddyfile reads
//
//	curfew [<matcher>] [<policy>…] {
//		<requirements of a policy>
//		issuer <url>…
//		audience <audience>…
//		token_from header | cookie <name>
//		session <name>…
//		optional
//		dry_run
//		preflight refuse|pass
//		query_token refuse|ignore
//		refusal respond|handle_errors
//		sign_in_url <url>
//		identity all|minimal|none
//		identity_header <Header> <claim>
//		authorization pass|strip
//		require_bound_tokens
//		dpop_nonce
//		dpop_proof strip|pass
//		resource_metadata on|off
//		upgrade <protocol>…
//		connection_expiry enforce | grace <duration> | ignore
//		max_connection_age <duration>
//		websocket_close_code <code>
//	}
func (g *Guard) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // curfew
	g.Place = placeOf(d)
	for d.NextArg() {
		if name := d.Val(); name != "" && (name[0] == '/' || name[0] == '@' || name[0] == '*') {
			return d.Errf("%s: a guard takes one matcher; name several paths in a matcher of its own, such as `@guarded path /a/* /b/*`", name)
		}
		g.Policies = append(g.Policies, d.Val())
	}
	o := g.Requirements.options()
	for name, parse := range (options{
		"issuer":          words(&g.Issuers),
		"audience":        words(&g.Audiences),
		"token_from":      g.parseTokenFrom,
		"session":         words(&g.Session),
		"optional":        flag(&g.Optional),
		"dry_run":         flag(&g.DryRun),
		"preflight":       word(&g.Preflight),
		"query_token":     word(&g.QueryToken),
		"refusal":         word(&g.Refusal),
		"sign_in_url":     word(&g.SignInURL),
		"identity":        word(&g.Identity),
		"identity_header": g.parseIdentityHeader,
		"authorization":   word(&g.Authorization),
		"upgrade":         words((*[]string)(&g.Upgrade)),

		"require_bound_tokens": flag(&g.RequireBoundTokens),
		"dpop_nonce":           flag(&g.DPoPNonce),
		"dpop_proof":           word(&g.DPoPProof),
		"resource_metadata":    word(&g.ResourceMetadata),

		"connection_expiry":    g.Connections.parseExpiry,
		"max_connection_age":   duration(&g.MaxConnectionAge),
		"websocket_close_code": g.Connections.parseCloseCode,
	}) {
		o[name] = parse
	}
	return o.read(d, func() error {
		probe := *g
		err := probe.resolve()
		if err == nil && g.app != nil {
			err = probe.resolveWith(g.app)
		}
		return err
	}, "issuer", "audience", "token_from", "session", "identity_header", "upgrade", "claim")
}

func (g *Guard) parseTokenFrom(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	switch {
	case len(args) == 1 && args[0] == "header":
		g.TokenFrom = append(g.TokenFrom, TokenSource{In: "header"})
	case len(args) == 2 && args[0] == "cookie":
		g.TokenFrom = append(g.TokenFrom, TokenSource{In: "cookie", Name: args[1]})
	default:
		return d.Err("want `token_from header` or `token_from cookie <name>`")
	}
	return nil
}

func (g *Guard) parseIdentityHeader(d *caddyfile.Dispenser) error {
	var header, claim string
	if !d.AllArgs(&header, &claim) {
		return d.Err("write `identity_header <Header> <claim>`")
	}
	if g.IdentityHeaders == nil {
		g.IdentityHeaders = make(map[string]string)
	}
	for other := range g.IdentityHeaders {
		if identity.Same(other, header) {
			return d.Errf("identity_header %s is mapped twice: remove one", header)
		}
	}
	g.IdentityHeaders[header] = claim
	return nil
}

// Provision resolves policies, sources and counters.
func (g *Guard) Provision(ctx caddy.Context) error {
	var err error
	if g.app, err = appOf(ctx, "curfew", g.Place); err != nil {
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
	if err := g.resolve(); err != nil {
		return err
	}
	if err := g.resolveWith(g.app); err != nil {
		return err
	}
	if err := g.app.provide(g.needs()); err != nil {
		return err
	}
	g.provisionSessions()
	g.label = "default"
	if len(g.Policies) > 0 {
		g.label = strings.Join(g.Policies, "+")
	}
	g.outcomes = g.app.gateway.metrics.outcomes(g.label)
	return nil
}

// needs is what a guard needs from the app, for every verified token and for
// requests that other guards admit.
type needs struct {
	headers []identity.Mapping // no client may send these headers; the cache keeps their claims
	claims  []*policy.Claim
}

func (g *Guard) needs() needs { return needs{headers: g.identity.Mapped(), claims: g.required.Claims} }

// cover makes every request to the guard's server pass its entrance.
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

// loadMatchers lets the guard ask its matcher about every reading, even if the
// configuration does not say so.
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

// resolve checks the guard's own options and compiles them.
func (g *Guard) resolve() error {
	if len(g.TokenFrom) == 0 && len(g.Session) == 0 {
		g.TokenFrom = []TokenSource{{In: "header"}}
	}
	if len(g.Upgrade) == 0 {
		g.Upgrade = protocols{webSocket}
	}
	if g.QueryToken == "" && len(g.TokenFrom) == 0 {
		g.QueryToken = "ignore" // it is the application's
	}
	g.tellsAs = g.Identity != ""
	if err := cmp.Or(
		choose("identity", &g.Identity, extents),
		choose("resource_metadata", &g.ResourceMetadata, []string{"on", "off"}),
		choose("preflight", &g.Preflight, []string{"refuse", "pass"}),
		choose("query_token", &g.QueryToken, []string{"refuse", "ignore"}),
		choose("refusal", &g.Refusal, []string{"respond", "handle_errors"}),
		choose("authorization", &g.Authorization, []string{"pass", "strip"}),
		checkSignInURL(g.SignInURL),
		g.Upgrade.check(),
		g.Connections.setDefaults(),
	); err != nil {
		return err
	}
	g.passPreflights, g.refuseQueryTokens = g.Preflight == "pass", g.QueryToken == "refuse"
	g.failRefusals, g.stripAuthorization = g.Refusal == "handle_errors", g.Authorization == "strip"
	g.tells = identity.Extent(slices.Index(extents, g.Identity))
	for _, from := range g.TokenFrom {
		source, err := from.source()
		if err == nil && slices.Contains(g.sources, source) {
			err = fmt.Errorf("token_from %s %s is given twice, so every credential would be found twice and refused: remove one", from.In, from.Name)
		}
		if err != nil {
			return in("token_from", cmp.Or(from.Name, from.In), err)
		}
		g.sources = append(g.sources, source)
	}
	if err := g.Possession.resolve(len(g.sources) > 0, g.readsHeader()); err != nil {
		return err
	}
	for _, header := range slices.Sorted(maps.Keys(g.IdentityHeaders)) {
		claim := g.IdentityHeaders[header]
		if err := g.identity.Map(header, claim); err != nil {
			return in("identity_header", header, fmt.Errorf("identity_header %s %s: %w", header, claim, err))
		}
	}
	var err error
	g.required, err = g.Requirements.compile()
	return err
}

// extents are the values of identity, in the order of identity.Extent.
var extents = []string{"all", "minimal", "none"}

// readsHeader reports whether the guard takes tokens from the Authorization header.
func (g *Guard) readsHeader() bool { return slices.Contains(g.sources, token.Source{}) }

// resolveWith resolves the names that the guard uses from the global options.
func (g *Guard) resolveWith(app *App) error {
	if err := g.require(app); err != nil {
		return err
	}
	if err := g.resolveSessions(app); err != nil || len(g.sources) == 0 {
		return err
	}
	return g.narrow(app)
}

// require combines the named policies and the guard's own requirements.
func (g *Guard) require(app *App) error {
	var named policy.Requirements
	for _, name := range g.Policies {
		p, known := app.Policies[name]
		if !known {
			return fmt.Errorf("policy %q is not defined: add `policy %s { … }` to the global curfew options", name, name)
		}
		r, err := p.compile()
		if err != nil {
			return fmt.Errorf("policy %s: %w", name, err)
		}
		named = named.Merge(r)
	}
	g.required = named.Merge(g.required)
	return nil
}

// narrow computes the audiences that the guard takes from each issuer. A token
// counts for an audience only if its own issuer is configured with it.
// Otherwise any issuer could name the audience of another issuer's services.
func (g *Guard) narrow(app *App) error {
	for _, url := range g.Issuers {
		if app.issuer(url) == nil {
			return in("issuer", url, fmt.Errorf("issuer %q is not configured: add it to the global curfew options", url))
		}
	}
	if len(g.Issuers) == 0 && len(g.Audiences) == 0 && app.ambiguous() {
		return errors.New("several issuers or audiences are configured, so this guard must say whose tokens it takes: add `issuer …` or `audience …` to it")
	}
	g.takes = make(map[string][]string)
	for _, i := range app.Issuers {
		if len(g.Issuers) > 0 && !slices.Contains(g.Issuers, i.URL) {
			continue
		}
		g.takes[i.URL] = slices.DeleteFunc(slices.Concat(i.Audiences, i.Clients), func(a string) bool {
			return len(g.Audiences) > 0 && !slices.Contains(g.Audiences, a)
		})
	}
	for _, a := range g.Audiences {
		if !g.reachable(a) {
			return in("audience", a, fmt.Errorf("audience %q is not configured for any issuer of this guard: add it to the global curfew options", a))
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
	case s.In == "cookie" && httpguts.ValidHeaderFieldName(s.Name):
		return token.Source{Cookie: s.Name}, nil
	}
	return token.Source{}, fmt.Errorf("token_from %s %s: want `header` or `cookie <name>`", s.In, s.Name)
}

// canonical returns the form in which net/http keeps a header's name.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// Interface guards
var (
	_ caddy.Provisioner           = (*Guard)(nil)
	_ caddyhttp.MiddlewareHandler = (*Guard)(nil)
)
