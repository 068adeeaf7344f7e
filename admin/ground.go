package admin

import (
	"maps"
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/revocation"
)

// ground is what the configuration says about one target.
type ground struct {
	target                    revocation.Target
	kind                      revocation.Kind
	skew, retention, lifetime time.Duration
	exempt                    []string // sorted; only where the kind is user-wide
	hasDevice, hasTenant      bool
	onlyClients               []string // that its tokens can name; nil: any
}

// survey checks a target, the caller's role for it, and that it can be
// enforced at all.
func (a *api) survey(c *httpapi.Call, t Target) (ground, *Problem) {
	g := ground{target: revocation.Target(t)}
	if err := g.target.Validate(); err != nil {
		return g, invalidTarget.At("/target", "%s", strings.TrimPrefix(err.Error(), revocation.ErrTarget.Error()+": "))
	}
	g.kind, _ = g.target.Kind()
	if p := c.Needs(roleFor(g.kind)); p != nil {
		return g, p
	}
	if g.target.Issuer == "" {
		// A bound key may be used with any issuer: the widest of each.
		for _, is := range a.issuers {
			g.widen(is)
		}
	} else {
		is, p := a.issuer("/target/iss", g.target.Issuer)
		if p != nil {
			return g, p
		}
		g.widen(is)
	}
	return g, g.enforceable()
}

// issuer finds a configured issuer. A mistyped one must read neither "enforced"
// nor "nothing was seen".
func (a *api) issuer(pointer, url string) (*Issuer, *Problem) {
	is := a.issuers[url]
	if is == nil {
		return nil, unknownIssuer.At(pointer, "configured are: %s", strings.Join(slices.Sorted(maps.Keys(a.issuers)), ", "))
	}
	return is, nil
}

// roleFor is the role that a write to a target of this kind takes. For a
// preview it is not asked.
func roleFor(k revocation.Kind) Role {
	if k.Wide() {
		return BreakGlass
	}
	return Write
}

func (g *ground) widen(is *Issuer) {
	g.skew, g.retention, g.lifetime = max(g.skew, is.ClockSkew), max(g.retention, is.Retention), max(g.lifetime, is.MaxTokenLifetime)
	g.hasDevice, g.hasTenant = g.hasDevice || is.HasDevice, g.hasTenant || is.HasTenant
	if is.OnlyClients != nil {
		g.onlyClients = is.OnlyClients()
	}
	if g.kind.UserWide() {
		g.exempt = slices.Compact(slices.Sorted(slices.Values(is.ExemptClients)))
	}
}

// enforceable refuses to pretend.
func (g *ground) enforceable() *Problem {
	if g.target.Device != "" && !g.hasDevice {
		return unenforceable.At("/target/device_id", "the tokens of this issuer carry no device (device_claim is not set); "+
			"what would be enforceable: {iss, sub}, {iss, sub, client_id} or {iss, sid}")
	}
	if g.target.Tenant != "" && !g.hasTenant {
		return unenforceable.At("/target/tenant", "the tokens of this issuer carry no organisation (tenant_claim is not set); "+
			"what would be enforceable: {iss, client_id} or {iss}")
	}
	if g.target.Client != "" && g.onlyClients != nil && !slices.Contains(g.onlyClients, g.target.Client) {
		return unenforceable.At("/target/client_id", "no token of this client is accepted: only ID tokens are, and theirs are %s "+
			"(the option client)", strings.Join(g.onlyClients, ", "))
	}
	return nil
}

// mode is the one asked for, or the kind's own, if it can mean something.
//
//   - final refuses for good, so only a token or a key can be cut like that: a
//     person, a session or a device could never return. That is a block.
//   - One token is refused or not; it has no later sign-in or refresh.
//   - A key may be presented again after a sign-in or refresh: any mode.
func (g *ground) mode(asked string) (revocation.Mode, *Problem) {
	if asked == "" {
		return g.kind.DefaultMode(), nil
	}
	m, err := revocation.ParseMode(asked)
	switch {
	case err != nil:
		return 0, invalidMode.At("/mode", "%s", err)
	case m == revocation.Final && g.kind.DefaultMode() != revocation.Final:
		return 0, invalidMode.At("/mode", "final refuses for good and is for one token or key; use a block")
	case m != revocation.Final && g.kind == revocation.KindToken:
		return 0, invalidMode.At("/mode", "one token can only be refused for good: final")
	}
	return m, nil
}
