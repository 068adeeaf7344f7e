package caddymodule

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/token"
)

// ClaimRequirement asks for a claim with one of some values.
type ClaimRequirement struct {
	// The name of the claim.
	Name string `json:"name"`

	// The values, of which the claim must have one: an array, among its members.
	// They are compared exactly, but a leading `*` stands for any beginning.
	Values []string `json:"values,omitempty"`

	// Let `email` count without `email_verified`. For no other claim.
	Unverified bool `json:"unverified,omitempty"`
}

// parseClaim reads
//
//	claim <name> <value>…
//	claim email <value>… [unverified]
func (r *Requirements) parseClaim(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Err("write `claim <name> <value>…`")
	}
	c := ClaimRequirement{Name: args[0], Values: args[1:]}
	if last := len(c.Values) - 1; c.Name == "email" && last >= 0 && c.Values[last] == "unverified" {
		c.Values, c.Unverified = c.Values[:last], true
	}
	if err := c.check(); err != nil {
		return d.Err(err.Error())
	}
	r.Claims = append(r.Claims, c)
	return nil
}

func (c *ClaimRequirement) check() error {
	switch {
	case c.Name == "":
		return errors.New("claim has an empty name: write `claim <name> <value>…`, or set the variable it comes from")
	case len(c.Values) == 0:
		return fmt.Errorf("claim %s has no value: write `claim %s <value>…`; `*` is any value", c.Name, c.Name)
	case slices.Contains(c.Values, ""):
		return fmt.Errorf("a value of claim %s is empty: remove it, or set the variable it comes from", c.Name)
	case c.Unverified && c.Name != "email":
		return fmt.Errorf("claim %s has unverified, which is for email: remove it", c.Name)
	}
	for i, v := range c.Values {
		if slices.Contains(c.Values[:i], v) {
			return fmt.Errorf("claim %s names %q twice: remove one", c.Name, v)
		}
	}
	return nil
}

func (c *ClaimRequirement) compile() (*policy.Claim, error) {
	if err := c.check(); err != nil {
		return nil, in("claim", c.Name, err)
	}
	return &policy.Claim{Name: c.Name, Values: c.Values, Unverified: c.Unverified}, nil
}

// claimSet holds every demand on claims of a configuration, each once. It does not
// change once requests come.
type claimSet struct{ demands []*policy.Claim }

// take adds demands, and replaces those that are known by the known ones.
func (s *claimSet) take(demands []*policy.Claim) {
	for i, c := range demands {
		if known := slices.IndexFunc(s.demands, c.Same); known >= 0 {
			demands[i] = s.demands[known]
		} else {
			s.demands = append(s.demands, c)
		}
	}
}

// named lists the claims that the demands are about.
func (s *claimSet) named() []string {
	var all []string
	for _, c := range s.demands {
		all = append(all, c.Name)
		if c.NeedsVerification() {
			all = append(all, "email_verified")
		}
	}
	return all
}

// metClaims are the demands of a set that one credential meets.
type metClaims struct {
	of  *claimSet
	met []*policy.Claim
}

// Meets tells demands apart by their address: nothing is compared for a request.
func (m *metClaims) Meets(c *policy.Claim) bool { return slices.Contains(m.met, c) }

// claimsOf returns the demands of this configuration that a credential meets. They
// are found out once for each credential.
func (a *App) claimsOf(t *token.Verified) policy.Claims {
	if len(a.claims.demands) == 0 {
		return nil
	}
	facts := factsOf(t)
	if m := facts.claims.Load(); m != nil && m.of == a.claims {
		return m
	}
	m := &metClaims{of: a.claims}
	for _, c := range a.claims.demands {
		if c.MetBy(t) {
			m.met = append(m.met, c)
		}
	}
	facts.claims.Store(m)
	return m
}
