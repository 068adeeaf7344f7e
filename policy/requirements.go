package policy

import (
	"slices"
	"time"
)

// Requirements of a route. The zero value demands a valid, unrevoked
// credential and no more.
type Requirements struct {
	// ACR and AMR are groups of which each must be met by any of its values.
	ACR, AMR [][]string
	// MaxAge is how long ago the authentication may be; nil: any time.
	MaxAge *time.Duration
	// Scope values must all be granted.
	Scope []string
	// Claims are demands on claims, which must all be met.
	Claims []*Claim
	// Sensitive routes are also subject to step-ups that name only those.
	Sensitive bool
}

// Merge adds up requirements: what satisfies the result satisfies both.
func (r Requirements) Merge(s Requirements) Requirements {
	r.ACR = append(slices.Clip(r.ACR), s.ACR...)
	r.AMR = append(slices.Clip(r.AMR), s.AMR...)
	r.Scope = slices.Clip(r.Scope)
	for _, scope := range s.Scope {
		if !slices.Contains(r.Scope, scope) {
			r.Scope = append(r.Scope, scope)
		}
	}
	r.Claims = slices.Clip(r.Claims)
	for _, c := range s.Claims {
		if !slices.ContainsFunc(r.Claims, c.Same) {
			r.Claims = append(r.Claims, c)
		}
	}
	if s.MaxAge != nil && (r.MaxAge == nil || *s.MaxAge < *r.MaxAge) {
		r.MaxAge = s.MaxAge
	}
	r.Sensitive = r.Sensitive || s.Sensitive
	return r
}

// oneOf lists the values that meet every group, in the order of the first; if
// none does, all of them, since the challenge has no way to say "and".
func oneOf(groups [][]string) []string {
	var common, all []string
	for _, group := range groups {
		for _, v := range group {
			if slices.Contains(all, v) {
				continue
			}
			all = append(all, v)
			if !slices.ContainsFunc(groups, func(g []string) bool { return !slices.Contains(g, v) }) {
				common = append(common, v)
			}
		}
	}
	if common != nil {
		return common
	}
	return all
}

// meets reports whether each group has a value that is held.
func meets(groups [][]string, held ...string) bool {
	for _, group := range groups {
		if !intersects(group, held) {
			return false
		}
	}
	return true
}

func intersects(a, b []string) bool {
	for _, v := range a {
		if slices.Contains(b, v) {
			return true
		}
	}
	return false
}
