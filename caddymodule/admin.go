package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/admin"
	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/internal/secret"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

func init() { caddy.RegisterModule(new(Admin)) }

// Admin serves the admin API under `/v1/` and its description at
// `/openapi.json`. Its callers hold a named token or a token of an OpenID
// provider. It refuses to load without any credential.
type Admin struct {
	// Named callers. The same name may have two tokens, for rotation.
	Tokens []AdminToken `json:"tokens,omitempty"`

	// OpenID providers whose access tokens are accepted, by scope.
	OIDC []AdminOIDC `json:"oidc,omitempty"`

	// The place in the Caddyfile. Error messages name it.
	Place place `json:"place,omitempty"`

	app      *App
	api      http.Handler
	bearers  func(*http.Request) (admin.Caller, error)
	callers  map[string]*revocation.Issuer
	verifier *token.Verifier
	keySets  []*pooledKeys
}

// AdminToken is a caller with its own secret.
type AdminToken struct {
	// The caller's name in the audit.
	Name string `json:"name"`
	// `read`, `write` or `break_glass`; each includes those before it.
	Role string `json:"role"`
	// A literal, `{env.NAME}` or `{file./path}`.
	Secret string `json:"secret"`

	// The place in the Caddyfile. Error messages name it.
	Place place `json:"place,omitempty"`
}

// AdminOIDC accepts access tokens of an OpenID provider.
type AdminOIDC struct {
	// The issuer identifier.
	Issuer string `json:"issuer"`
	// The audiences of this API. Required.
	Audiences []string `json:"audiences,omitempty"`
	// The scopes of each role. At least one.
	Roles []AdminRole `json:"roles,omitempty"`
}

// AdminRole gives a role to tokens that have all of its scopes.
type AdminRole struct {
	// `read`, `write` or `break_glass`.
	Role string `json:"role"`
	// The scopes.
	Scope []string `json:"scope"`
}

// CaddyModule returns the Caddy module information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.curfew_admin", New: func() caddy.Module { return new(Admin) }}
}

// UnmarshalCaddyfile reads
//
//	curfew_admin {
//		token <name> <role> <secret>
//		oidc <issuer> {
//			audience <audience>…
//			role <role> scope <scope>…
//		}
//	}
func (a *Admin) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // curfew_admin
	a.Place = placeOf(d)
	if err := alone(d); err != nil {
		return err
	}
	return options{
		"token": func(d *caddyfile.Dispenser) error {
			t := AdminToken{Place: placeOf(d)}
			if !d.AllArgs(&t.Name, &t.Role, &t.Secret) {
				return d.Err("want `token <name> <role> <secret>`")
			}
			a.Tokens = append(a.Tokens, t)
			return nil
		},
		"oidc": a.parseOIDC,
	}.read(d, a.check, "token", "oidc")
}

// check refuses an API without any credential, which no client could call.
func (a *Admin) check() error {
	if len(a.Tokens) == 0 && len(a.OIDC) == 0 {
		return errors.New("curfew_admin needs a credential: add `token <name> <role> <secret>` or `oidc <issuer> { … }`")
	}
	return nil
}

func (a *Admin) parseOIDC(d *caddyfile.Dispenser) error {
	o := AdminOIDC{}
	if err := word(&o.Issuer)(d); err != nil {
		return err
	}
	err := options{
		"audience": words(&o.Audiences),
		"role": func(d *caddyfile.Dispenser) error {
			args := d.RemainingArgs()
			if len(args) < 3 || args[1] != "scope" {
				return d.Err("want `role <role> scope <scope>…`")
			}
			o.Roles = append(o.Roles, AdminRole{Role: args[0], Scope: args[2:]})
			return nil
		},
	}.read(d, func() error { return o.check() }, "audience", "role")
	a.OIDC = append(a.OIDC, o)
	return err
}

// check refuses a provider that would accept no token.
func (o *AdminOIDC) check() error {
	if err := (token.Issuer{Issuer: revocation.Issuer{URL: o.Issuer}, Audiences: o.Audiences}).Validate(); err != nil {
		return fmt.Errorf("oidc: %w", err)
	}
	if len(o.Roles) == 0 {
		return fmt.Errorf("oidc %s: no token would have a role: add `role <role> scope <scope>…`", o.Issuer)
	}
	for _, r := range o.Roles {
		if _, err := httpapi.ParseRole(r.Role); err != nil {
			return in("role", r.Role, fmt.Errorf("oidc %s: %w", o.Issuer, err))
		}
		if len(r.Scope) == 0 || slices.Contains(r.Scope, "") {
			return in("role", r.Role, fmt.Errorf("oidc %s: role %s needs a scope: write `role %s scope <scope>…`", o.Issuer, r.Role, r.Role))
		}
	}
	return nil
}

// Provision resolves the secrets and builds the API.
func (a *Admin) Provision(ctx caddy.Context) error {
	var err error
	if a.app, err = appOf(ctx, "curfew_admin", a.Place); err != nil {
		return err
	}
	if err := a.check(); err != nil {
		return err
	}
	if a.bearers, err = a.provisionTokens(); err != nil {
		return err
	}
	if err := a.provisionOIDC(); err != nil {
		return a.Place.name(err)
	}
	if a.api, err = a.app.newAPI("", a.authenticate, a.again); err != nil {
		return err
	}
	a.app.admins = append(a.app.admins, a)
	return nil
}

// authenticate returns the caller of a request.
func (a *Admin) authenticate(r *http.Request) (admin.Caller, error) {
	caller, err := a.bearers(r)
	if err == nil || a.verifier == nil || errors.Is(err, admin.ErrNoCredential) {
		return caller, err
	}
	return a.verify(r)
}

// again returns the present role of the caller of an open request. A request
// may outlive its configuration. Then the configuration in force authenticates
// the caller, and a caller that it does not know is cut off.
func (a *Admin) again(r *http.Request, was admin.Caller) (admin.Role, error) {
	inForce, err := a.app.inForce()
	if err != nil {
		return admin.NoRole, err
	}
	judges := inForce.admins
	if inForce == a.app {
		judges = []*Admin{a}
	}
	best, refusal := admin.NoRole, error(errCaller)
	for _, judge := range judges {
		now, err := judge.authenticate(r)
		switch {
		case err != nil:
			refusal = err
		case now.Name == was.Name && now.Source == was.Source:
			best = max(best, now.Role)
		}
	}
	if best == admin.NoRole {
		return best, refusal
	}
	return best, nil
}

// inForce returns the app that now answers for requests of this one. It is the
// app itself until it stops. After that it is the app that has taken over its
// gateway. If there is none, inForce returns admin.ErrStopping.
func (a *App) inForce() (*App, error) {
	if !a.isStopping() {
		return a, nil
	}
	if now := a.gateway.app.Load(); now != nil && !now.isStopping() {
		return now, nil
	}
	return nil, admin.ErrStopping
}

func (a *Admin) provisionTokens() (func(*http.Request) (admin.Caller, error), error) {
	var named []httpapi.NamedToken
	bearers, err := httpapi.Bearer(nil, a.app.log)
	for _, t := range a.Tokens {
		n, wrong := t.resolve()
		if wrong != nil {
			return nil, t.Place.name(fmt.Errorf("token %s: %w", t.Name, wrong))
		}
		// Each token is checked together with the earlier ones, so that an
		// error names the right token.
		named = append(named, n)
		if bearers, err = httpapi.Bearer(named, a.app.log); err != nil {
			return nil, t.Place.name(err)
		}
	}
	return bearers, err
}

func (t *AdminToken) resolve() (httpapi.NamedToken, error) {
	role, err := httpapi.ParseRole(t.Role)
	if err != nil {
		return httpapi.NamedToken{}, err
	}
	s, err := secret.New(t.Secret)
	if err != nil {
		return httpapi.NamedToken{}, err
	}
	return httpapi.NamedToken{Name: t.Name, Role: role, Secret: s.Value}, nil
}

func (a *Admin) provisionOIDC() error {
	var cfg token.VerifierConfig
	for i := range a.OIDC {
		o := &a.OIDC[i]
		if err := o.check(); err != nil {
			return err
		}
		known, err := a.app.issuerOr(o)
		if err != nil {
			return fmt.Errorf("oidc %s: %w", o.Issuer, err)
		}
		settings := known.settings()
		if a.callers == nil {
			a.callers = make(map[string]*revocation.Issuer)
		}
		a.callers[o.Issuer] = known.shared()
		settings.Audiences, settings.Accept = o.Audiences, withoutIDTokens(settings.Accept)
		keys, err := acquireKeySet(known, a.app.gateway.metrics)
		if err != nil {
			return fmt.Errorf("oidc %s: %w", o.Issuer, err)
		}
		a.keySets = append(a.keySets, keys)
		cfg.Issuers = append(cfg.Issuers, token.IssuerKeys{Issuer: settings, Keys: keys.KeySet})
	}
	if len(cfg.Issuers) == 0 {
		return nil
	}
	// The token of an open call is verified again and again.
	cfg.Cache = a.app.gateway.cache
	a.app.alsoFetch(a.keySets)
	cfg.Verified = a.app.gateway.node.Verified
	var err error
	a.verifier, err = token.NewVerifier(cfg)
	return err
}

// issuerOr returns the configuration of a provider. A provider of the admin API
// alone gets the defaults.
func (a *App) issuerOr(o *AdminOIDC) (*Issuer, error) {
	if known := a.issuer(o.Issuer); known != nil {
		return known, nil
	}
	i := &Issuer{URL: o.Issuer, Audiences: o.Audiences}
	return i, i.provision()
}

func withoutIDTokens(accept []token.Accept) []token.Accept {
	return slices.DeleteFunc(slices.Clone(accept), func(k token.Accept) bool { return k == token.IDToken })
}

var errCaller = errors.New("no credential that is accepted here")

// verify accepts an access token of a configured provider, unless it was
// revoked.
func (a *Admin) verify(r *http.Request) (admin.Caller, error) {
	raw, _, err := token.Sources{}.Extract(r)
	if err != nil {
		return admin.Caller{}, errCaller
	}
	now := a.app.gateway.now()
	t, _, err := a.verifier.Verify(r.Context(), raw, now)
	if err != nil {
		var bad *token.Error
		if errors.As(err, &bad) {
			a.app.log.Debug("a caller of the admin API is refused", "cause", bad.Detail, "issuer", bad.Issuer, "client", bad.Client)
		}
		return admin.Caller{}, errCaller
	}
	a.app.witness(&t.Verified)
	if a.app.gateway.node.State() != node.Ready {
		return admin.Caller{}, errCaller
	}
	c := a.app.caseOf(&t.Credential, &policy.Requirements{}, now)
	c.Issuer = a.callers[t.Credential.Issuer]
	if d := c.Decide(); !d.Admits() {
		return admin.Caller{}, errCaller
	}
	// Two providers may have a subject with the same name. No issuer contains a
	// space, so no two callers have the same name.
	caller := admin.Caller{Name: "oidc:" + t.Credential.Issuer + " " + t.Credential.Subject, Source: "admin"}
	for _, o := range a.OIDC {
		if o.Issuer == t.Credential.Issuer {
			caller.Role = o.role(t.Credential.Scope)
		}
	}
	return caller, nil
}

// role returns the greatest role of the scopes, or admin.NoRole.
func (o *AdminOIDC) role(scope []string) admin.Role {
	var best admin.Role
	for _, r := range o.Roles {
		has := !slices.ContainsFunc(r.Scope, func(s string) bool { return !slices.Contains(scope, s) })
		if role, _ := httpapi.ParseRole(r.Role); has && role > best {
			best = role
		}
	}
	return best
}

// Cleanup releases the key sets.
func (a *Admin) Cleanup() error {
	var errs []error
	for _, keys := range a.keySets {
		errs = append(errs, releaseKeySet(keys))
	}
	return errors.Join(errs...)
}

// ServeHTTP answers every request. A path outside the API gets 404, and never
// reaches the next handler.
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	a.api.ServeHTTP(w, r)
	return nil
}

// newAPI builds the admin API of this configuration for one way to authenticate.
func (a *App) newAPI(prefix string, authenticate func(*http.Request) (admin.Caller, error),
	again func(*http.Request, admin.Caller) (admin.Role, error),
) (http.Handler, error) {
	g := a.gateway
	cfg := admin.Config{
		Prefix: prefix, Node: g.node, Memory: &g.memory, SealingKeys: a.sealingKeys, Sightings: &g.sightings, LiveRequests: g.live.Count,
		EachLiveRequest: g.live.Each, Authenticate: authenticate, Again: again, Explain: a.explain, ExpectNodes: a.ExpectNodes,
		Now: g.now, Observe: g.metrics.adminCall, Log: a.log, Done: a.stopping, Crowded: g.crowded, Facts: a.factsOf,
	}
	for _, i := range a.Issuers {
		cfg.Issuers = append(cfg.Issuers, *a.admitted(i))
	}
	return admin.New(cfg)
}

// explain reports how a token would be judged on a route with these policies.
func (a *App) explain(ctx context.Context, raw string, policies []string) (admin.Explanation, error) {
	var required policy.Requirements
	for _, name := range policies {
		p, known := a.Policies[name]
		if !known {
			return admin.Explanation{}, fmt.Errorf("%w: %q is not defined", admin.ErrUnknownPolicy, name)
		}
		r, err := p.compile()
		if err != nil {
			return admin.Explanation{}, err
		}
		required = required.Merge(r)
	}
	if a.gateway.node.State() != node.Ready {
		return refusedBefore(policy.NotReady, "the node has not read its ledger"), nil
	}
	now := a.gateway.now()
	t, inputs, err := a.verifiedOf(ctx, raw, now)
	if err != nil {
		return refusedBefore(refusalOf(err).Reason, err.Error()), nil
	}
	c := a.caseOf(&t.Credential, &required, now)
	c.Claims = policy.ClaimsOf(t)
	d, tried := c.Explain()
	e := admin.Explanation{Decision: "admit", Reason: d.Reason.String()}
	if !d.Admits() {
		e.Decision = "refuse"
	}
	inputs["issuer"], inputs["kid"], inputs["exp"] = t.Credential.Issuer, t.Credential.KeyID, t.Credential.ExpiresAt
	// Explained is the decision for a sender that proves to hold the key.
	if jkt := t.Credential.JKT; jkt != "" {
		inputs["jkt"] = jkt
	}
	if x5t := t.Credential.X5TS256; x5t != "" {
		inputs["x5t_s256"] = x5t
	}
	if ignored := t.Ignored(); ignored != nil {
		inputs["ignored_claims"] = ignored
	}
	e.Rules = append([]policy.Tried{{Rule: "token", Outcome: "pass", Inputs: inputs}}, tried...)
	return e, nil
}

// verifiedOf verifies a token, or opens the cookie of a browser session.
func (a *App) verifiedOf(ctx context.Context, raw string, now time.Time) (t *token.Verified, inputs map[string]any, err error) {
	if a.signIns != nil {
		if s, host := a.signIns.Anywhere(raw, now); s != nil {
			return &s.Verified, map[string]any{"sign_in": s.SignIn().Name(), "host": host}, nil
		}
	}
	verified, cached, err := a.verifier.VerifyUnproven(ctx, raw, now)
	if err != nil {
		return nil, nil, err
	}
	if !cached {
		a.note(&verified.Verified) // the guards will find it in the cache
	}
	return &verified.Verified, make(map[string]any), nil
}

func refusedBefore(r policy.Reason, detail string) admin.Explanation {
	return admin.Explanation{Decision: "refuse", Reason: r.String(), Rules: []policy.Tried{{
		Rule: "token", Outcome: "refuse", Reason: r.String(), Inputs: map[string]any{"detail": detail},
	}}}
}

// caseOf finds the records of a credential and returns the case for the policy.
func (a *App) caseOf(c *revocation.Credential, r *policy.Requirements, now time.Time) policy.Case {
	out := policy.Case{Credential: c, Requirements: r, Issuer: a.issuers[c.Issuer], Now: now.Unix()}
	a.gateway.node.Index().Find(c, &out.Finding)
	return out
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Admin)(nil)
	_ caddy.CleanerUpper          = (*Admin)(nil)
	_ caddyhttp.MiddlewareHandler = (*Admin)(nil)
)
