package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/internal/authorization"
	"curfew.dev/curfew/policy"
)

// Requirements of a route, from a named policy or from the guard itself.
type Requirements struct {
	// Authentication contexts of which the sign-in must have had one.
	ACR []string `json:"acr,omitempty"`

	// Authentication methods of which the sign-in must have used one.
	AMR []string `json:"amr,omitempty"`

	// How long ago the sign-in may be.
	MaxAge *caddy.Duration `json:"max_age,omitempty"`

	// Scopes that the token must all have.
	Scope []string `json:"scope,omitempty"`

	// Claims of which each must have one of the values.
	Claims []ClaimRequirement `json:"claims,omitempty"`

	// Whether step-ups that ask for sensitive routes apply here.
	Sensitive bool `json:"sensitive,omitempty"`
}

func (a *App) parsePolicy(d *caddyfile.Dispenser) error {
	var name string
	if err := word(&name)(d); err != nil {
		return err
	}
	if _, twice := a.Policies[name]; twice {
		return d.Errf("policy %q is defined twice: merge the two, or rename one", name)
	}
	if a.Policies == nil {
		a.Policies = make(map[string]*Requirements)
	}
	r := new(Requirements)
	a.Policies[name] = r
	return r.options().read(d, func() error {
		_, err := r.compile()
		return err
	}, "claim")
}

// options reads the requirements of a policy or guard:
//
//	acr <value>…
//	amr <value>…
//	max_age <duration>
//	scope <scope>…
//	claim <name> <value>…
//	sensitive
func (r *Requirements) options() options {
	return options{
		"acr":   words(&r.ACR),
		"amr":   words(&r.AMR),
		"scope": words(&r.Scope),
		"claim": r.parseClaim,
		"max_age": func(d *caddyfile.Dispenser) error {
			r.MaxAge = new(caddy.Duration)
			return duration(r.MaxAge)(d)
		},
		"sensitive": flag(&r.Sensitive),
	}
}

func (r *Requirements) compile() (policy.Requirements, error) {
	p := policy.Requirements{Scope: r.Scope, Sensitive: r.Sensitive}
	for option, values := range map[string][]string{"acr": r.ACR, "amr": r.AMR, "scope": r.Scope} {
		for _, v := range values {
			if !authorization.ChallengeToken(v) {
				return p, in(option, v, fmt.Errorf("%s %q can't be part of a challenge: use visible ASCII without spaces, quotes and backslashes", option, v))
			}
		}
	}
	if len(r.ACR) > 0 {
		p.ACR = [][]string{r.ACR}
	}
	if len(r.AMR) > 0 {
		p.AMR = [][]string{r.AMR}
	}
	for i := range r.Claims {
		c, err := r.Claims[i].compile()
		if err != nil {
			return p, err
		}
		p.Claims = append(p.Claims, c)
	}
	if r.MaxAge != nil {
		age := time.Duration(*r.MaxAge)
		if age < 0 || age%time.Second != 0 {
			return p, in("max_age", "", fmt.Errorf("max_age %s: it must be whole seconds, zero or more", age))
		}
		p.MaxAge = &age
	}
	return p, nil
}
