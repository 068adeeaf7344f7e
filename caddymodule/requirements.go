package caddymodule

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"curfew.dev/curfew/policy"
)

// Requirements of a route, named as a policy or written in a guard.
type Requirements struct {
	// Authentication contexts of which the sign-in must have had one.
	ACR []string `json:"acr,omitempty"`

	// Authentication methods of which the sign-in must have used one.
	AMR []string `json:"amr,omitempty"`

	// How long ago the sign-in may be.
	MaxAge *caddy.Duration `json:"max_age,omitempty"`

	// Scopes that the token must all have.
	Scope []string `json:"scope,omitempty"`

	// Whether step-ups that ask for sensitive routes apply here.
	Sensitive bool `json:"sensitive,omitempty"`
}

func (r *Requirements) compile() (policy.Requirements, error) {
	p := policy.Requirements{Scope: r.Scope, Sensitive: r.Sensitive}
	for option, values := range map[string][]string{"acr": r.ACR, "amr": r.AMR, "scope": r.Scope} {
		for _, v := range values {
			if !challengeToken(v) {
				return p, fmt.Errorf("%s %q can't be part of a challenge: use visible ASCII without spaces, quotes and backslashes", option, v)
			}
		}
	}
	if len(r.ACR) > 0 {
		p.ACR = [][]string{r.ACR}
	}
	if len(r.AMR) > 0 {
		p.AMR = [][]string{r.AMR}
	}
	if r.MaxAge != nil {
		age := time.Duration(*r.MaxAge)
		if age < 0 || age%time.Second != 0 {
			return p, errors.New("max_age must be whole seconds, zero or more")
		}
		p.MaxAge = &age
	}
	return p, nil
}

// challengeToken reports whether v may stand in a quoted parameter of
// WWW-Authenticate that holds a list (RFC 6749 appendix A.4).
func challengeToken(v string) bool {
	for _, c := range []byte(v) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return v != ""
}
