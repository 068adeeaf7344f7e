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
	r.ACR = union(r.ACR, s.ACR, slices.Equal[[]string])
	r.AMR = union(r.AMR, s.AMR, slices.Equal[[]string])
	r.Scope = union(r.Scope, s.Scope, func(a, b string) bool { return a == b })
	r.Claims = union(r.Claims, s.Claims, (*Claim).Same)
	if s.MaxAge != nil && (r.MaxAge == nil || *s.MaxAge < *r.MaxAge) {
		r.MaxAge = s.MaxAge
	}
	r.Sensitive = r.Sensitive || s.Sensitive
	return r
}

// union shares the memory of a list to which nothing is added: guards are united
// for each request. To append to the result never changes a list.
func union[T any](all, more []T, same func(a, b T) bool) []T {
	if len(all) == 0 {
		return slices.Clip(more)
	}
	all = slices.Clip(all)
	for _, v := range more {
		if !slices.ContainsFunc(all, func(known T) bool { return same(known, v) }) {
			all = append(all, v)
		}
	}
	return all
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
