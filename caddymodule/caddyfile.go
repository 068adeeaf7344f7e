package caddymodule

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"curfew.dev/curfew/token"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("curfew", parseGlobal)
	httpcaddyfile.RegisterHandlerDirective("curfew_health", parseHandler(func() handler { return new(Health) }))
	httpcaddyfile.RegisterHandlerDirective("curfew_admin", parseHandler(func() handler { return new(Admin) }))
	httpcaddyfile.RegisterDirective("curfew", parseGuard)
	// Each goes in just before basic_auth, so the last one is nearest.
	for _, name := range []string{"curfew_health", "curfew_admin", "curfew"} {
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "basic_auth")
	}
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

// parseGuard is what a handler directive does, but the matcher becomes the
// guard's own, in an [AnyReading]: the guard sees every request of its site, so
// that no client's forgery of our headers passes beside it.
func parseGuard(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	g := new(Guard)
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

func parseGlobal(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next() // curfew: the line to name
		return nil, d.Err("a second global curfew block: merge the two")
	}
	a := new(App)
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "curfew", Value: caddyconfig.JSON(a, nil)}, nil
}

// options are the words of a block, each with what reads its arguments.
type options map[string]func(*caddyfile.Dispenser) error

// read reads a block of options. Each may stand once, those in several often.
func (o options) read(d *caddyfile.Dispenser, several ...string) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		parse, known := o[name]
		switch {
		case !known:
			return d.Errf("unknown option %q", name)
		case seen[name] && !slices.Contains(several, name):
			return d.Errf("option %q is given twice", name)
		}
		seen[name] = true
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

// UnmarshalCaddyfile reads the global option:
//
//	curfew {
//		issuer <url> { … }
//		policy <name> { … }
//		ledger local [<dir>]
//		ledger nats <url>… { … }
//		on_empty sign_out_all|start|refuse
//		node_name <name>
//		expect_nodes <n>
//		max_staleness <duration>
//		on_stale deny|allow
//		token_cache <size>
//		log_user sub|hash|off
//		sealing_key <file>
//		strict_sites
//	}
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // curfew
	if d.NextArg() {
		return d.ArgErr()
	}
	return options{
		"issuer":        a.parseIssuer,
		"policy":        a.parsePolicy,
		"ledger":        a.parseLedger,
		"on_empty":      word(&a.OnEmpty),
		"node_name":     word(&a.NodeName),
		"expect_nodes":  number(&a.ExpectNodes),
		"max_staleness": duration(&a.MaxStaleness),
		"on_stale":      word(&a.OnStale),
		"token_cache":   size(&a.TokenCache),
		"log_user":      word(&a.LogUser),
		"sealing_key":   a.parseSealingKey,
		"strict_sites":  flag(&a.StrictSites),
	}.read(d, "issuer", "policy", "sealing_key")
}

// parseIssuer reads
//
//	issuer <url> {
//		audience <audience>…
//		client <client_id>…
//		accept access_token | access_token lenient | id_token
//		algorithms <alg>…
//		device_claim <claim>
//		tenant_claim <claim>
//		audience_claim <claim>
//		client_claim <claim>…
//		machine_clients <client_id>…
//		exempt_client <client_id>…
//		clock_skew <duration>
//		retention <duration>
//		max_token_lifetime <duration>
//		require_auth_time
//		jwks_max_stale <duration>
//		discovery <url>
//		jwks <url> | <file>
//		fetch_timeout <duration>
//		tls_ca <file>
//	}
func (a *App) parseIssuer(d *caddyfile.Dispenser) error {
	i := new(Issuer)
	if err := word(&i.URL)(d); err != nil {
		return err
	}
	a.Issuers = append(a.Issuers, i)
	err := options{
		"audience":        words(&i.Audiences),
		"client":          words(&i.Clients),
		"accept":          i.parseAccept,
		"algorithms":      words(&i.Algorithms),
		"device_claim":    word(&i.DeviceClaim),
		"tenant_claim":    word(&i.TenantClaim),
		"audience_claim":  word(&i.AudienceClaim),
		"exempt_client":   words(&i.ExemptClients),
		"client_claim":    words(&i.ClientClaims),
		"machine_clients": words(&i.MachineClients),
		"clock_skew": func(d *caddyfile.Dispenser) error {
			i.ClockSkew = new(caddy.Duration)
			return duration(i.ClockSkew)(d)
		},
		"retention":          duration(&i.Retention),
		"max_token_lifetime": duration(&i.MaxTokenLifetime),
		"require_auth_time":  flag(&i.RequireAuthTime),
		"jwks_max_stale":     duration(&i.JWKSMaxStale),
		"discovery":          word(&i.Discovery),
		"jwks":               i.parseFile(&i.JWKS),
		"fetch_timeout":      duration(&i.FetchTimeout),
		"tls_ca":             i.parseFile(&i.TLSCA),
	}.read(d, "audience", "client", "accept", "machine_clients", "exempt_client")
	if err != nil {
		return err
	}
	// Provision will say the same, but here the line is known.
	check := *i
	return located(d, check.provision())
}

// parseFile reads what may be the path of a file. A URL and a path don't both
// need a place: a URL is checked at once.
func (i *Issuer) parseFile(into *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if err := word(into)(d); err != nil {
			return err
		}
		if into == &i.TLSCA || i.source().IsFile() {
			i.Place = placeOf(d)
		}
		return nil
	}
}

// located adds the place in the file to an error.
func located(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}

// parseAccept reads kinds of token; `lenient` belongs to the access_token
// before it.
func (i *Issuer) parseAccept(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	for n, arg := range args {
		switch last := len(i.Accept) - 1; {
		case arg == "lenient" && n > 0 && args[n-1] == "access_token":
			i.Accept[last] = "access_token_lenient"
		case arg == "lenient":
			return d.Err("lenient follows access_token: write `accept access_token lenient`")
		default:
			i.Accept = append(i.Accept, arg)
		}
	}
	return nil
}

func (a *App) parsePolicy(d *caddyfile.Dispenser) error {
	var name string
	if err := word(&name)(d); err != nil {
		return err
	}
	if _, twice := a.Policies[name]; twice {
		return d.Errf("policy %q is defined twice", name)
	}
	if a.Policies == nil {
		a.Policies = make(map[string]*Requirements)
	}
	r := new(Requirements)
	a.Policies[name] = r
	if err := r.options().read(d); err != nil {
		return err
	}
	_, err := r.compile()
	return located(d, err)
}

// options reads the requirements of a policy or guard:
//
//	acr <value>…
//	amr <value>…
//	max_age <duration>
//	scope <scope>…
//	sensitive
func (r *Requirements) options() options {
	return options{
		"acr":   words(&r.ACR),
		"amr":   words(&r.AMR),
		"scope": words(&r.Scope),
		"max_age": func(d *caddyfile.Dispenser) error {
			r.MaxAge = new(caddy.Duration)
			return duration(r.MaxAge)(d)
		},
		"sensitive": flag(&r.Sensitive),
	}
}

// UnmarshalCaddyfile reads
//
//	curfew [<matcher>] [<policy>…] {
//		<requirements of a policy>
//		issuer <url>…
//		audience <audience>…
//		token_from header | cookie <name>
//		optional
//		dry_run
//		preflight refuse|pass
//		query_token refuse|ignore
//		refusal respond|handle_errors
//		sign_in_url <url>
//		identity_header <Header> <claim>
//		authorization pass|strip
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
		"optional":        flag(&g.Optional),
		"dry_run":         flag(&g.DryRun),
		"preflight":       word(&g.Preflight),
		"query_token":     word(&g.QueryToken),
		"refusal":         word(&g.Refusal),
		"sign_in_url":     word(&g.SignInURL),
		"identity_header": g.parseIdentityHeader,
		"authorization":   word(&g.Authorization),
		"upgrade":         words((*[]string)(&g.Upgrade)),

		"connection_expiry":    g.Connections.parseExpiry,
		"max_connection_age":   duration(&g.MaxConnectionAge),
		"websocket_close_code": g.Connections.parseCloseCode,
	}) {
		o[name] = parse
	}
	return o.read(d, "issuer", "audience", "token_from", "identity_header", "upgrade")
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
		return d.ArgErr()
	}
	if g.IdentityHeaders == nil {
		g.IdentityHeaders = make(map[string]string)
	}
	for other := range g.IdentityHeaders {
		if same(other, header) {
			return d.Errf("identity_header %s is mapped twice", header)
		}
	}
	g.IdentityHeaders[header] = claim
	return nil
}

// UnmarshalCaddyfile reads
//
//	curfew_health
func (h *Health) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // curfew_health
	if d.NextArg() {
		return d.ArgErr()
	}
	return options{}.read(d)
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
	if d.NextArg() {
		return d.ArgErr()
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
	}.read(d, "token", "oidc")
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
	}.read(d, "audience", "role")
	if err != nil {
		return err
	}
	a.OIDC = append(a.OIDC, o)
	// Provision will say the same, but here the line is known.
	return located(d, token.Issuer{URL: o.Issuer, Audiences: o.Audiences}.Validate())
}

// word reads exactly one argument.
func word(into *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if !d.NextArg() || d.Val() == "" {
			return d.ArgErr()
		}
		*into = d.Val()
		if d.NextArg() {
			return d.ArgErr()
		}
		return nil
	}
}

// words reads one argument or more.
func words(into *[]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		for _, arg := range args {
			if arg == "" {
				return d.Err("an argument is empty: remove it, or set the variable it comes from")
			}
		}
		*into = append(*into, args...)
		return nil
	}
}

// flag reads no argument.
func flag(into *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		*into = true
		if d.NextArg() {
			return d.ArgErr()
		}
		return nil
	}
}

// parsed reads one argument with a function that may fail.
func parsed[T any](into *T, parse func(string) (T, error)) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		var arg string
		if err := word(&arg)(d); err != nil {
			return err
		}
		v, err := parse(arg)
		if err != nil {
			return d.WrapErr(err)
		}
		*into = v
		return nil
	}
}

func number(into *int) func(*caddyfile.Dispenser) error { return parsed(into, strconv.Atoi) }

func duration(into *caddy.Duration) func(*caddyfile.Dispenser) error {
	return parsed(into, func(s string) (caddy.Duration, error) {
		d, err := caddy.ParseDuration(s)
		return caddy.Duration(d), err
	})
}

func size(into *int64) func(*caddyfile.Dispenser) error {
	return parsed(into, func(s string) (int64, error) {
		n, err := humanize.ParseBytes(s)
		if err == nil && n > 1<<40 {
			err = fmt.Errorf("%s is too large", s)
		}
		return int64(n), err
	})
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*App)(nil)
	_ handler               = (*Guard)(nil)
	_ handler               = (*Health)(nil)
	_ handler               = (*Admin)(nil)
)
