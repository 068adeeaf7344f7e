package token

import (
	"slices"
	"time"

	"curfew.dev/curfew/revocation"
)

// instantRules judge a token's instants. The clock skew is leeway everywhere,
// except that it never lengthens a life beyond MaxTokenLifetime: revocations are
// kept that long, and no longer.
var instantRules = slices.Concat([]rule{hasInstants, begun}, instantsInOrder, []rule{
	{"no auth_time, which require_auth_time demands", func(x *candidate) bool {
		return x.authTime == 0 && x.RequireAuthTime && x.kindOf() != revocation.MachineToken
	}},
})

// signInInstants leave auth_time to the caller.
var signInInstants = slices.Concat([]rule{hasInstants, issued}, instantsInOrder)

var (
	issued      = rule{"iat is in the future: compare the clocks of issuer and gateway", func(x *candidate) bool { return x.issuedAt > x.latest() }}
	hasInstants = rule{"no iat or no exp", func(x *candidate) bool { return x.issuedAt == 0 || x.expiresAt == 0 }}
	begun       = rule{"iat or auth_time is in the future: compare the clocks of issuer and gateway", func(x *candidate) bool {
		return x.issuedAt > x.latest() || x.authTime > x.latest()
	}}
)

var instantsInOrder = []rule{
	early, reversed,
	{"it lives longer than max_token_lifetime", func(x *candidate) bool {
		return time.Duration(x.expiresAt-x.issuedAt) > x.MaxTokenLifetime/time.Second
	}},
	expired,
}

var (
	early    = rule{"nbf is in the future", func(x *candidate) bool { return x.notBefore > x.latest() }}
	reversed = rule{"exp is not after iat", func(x *candidate) bool { return x.expiresAt <= x.issuedAt }}
	expired  = rule{"it has expired", func(x *candidate) bool { return !x.now.Before(x.deadline()) }}
)

// latest is the last second that is not in the future.
func (x *candidate) latest() int64 { return x.now.Add(x.ClockSkew).Unix() }

// begins is from when on none of the token's instants lies in the future.
func (x *candidate) begins() time.Time {
	return time.Unix(max(x.issuedAt, x.authTime, x.notBefore), 0).Add(-x.ClockSkew)
}

// deadline is when the token stops being admitted.
func (x *candidate) deadline() time.Time {
	end := time.Unix(x.expiresAt, 0).Add(x.ClockSkew)
	if last := time.Unix(x.issuedAt, 0).Add(x.MaxTokenLifetime); last.Before(end) {
		return last
	}
	return end
}
