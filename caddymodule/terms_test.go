package caddymodule

import (
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// A max_age ends a request as the expiry of its token does: at once, later or never.
func TestMaxAgeEndsARequestAsTheExpiryOfItsTokenDoes(t *testing.T) {
	age := time.Minute
	for _, c := range []struct {
		connections     Connections
		maxAge          *time.Duration
		expires, decays int64 // 0: never
	}{
		{Connections{}, &age, 5030, 1093},
		{Connections{ConnectionGrace: caddy.Duration(time.Hour)}, &age, 8600, 4663},
		{Connections{ConnectionExpiry: "enforce"}, &age, 5000, 1063},
		{Connections{ConnectionExpiry: "enforce"}, nil, 5000, 0},
		{Connections{ConnectionExpiry: "ignore"}, &age, 0, 0},
	} {
		if err := c.connections.setDefaults(); err != nil {
			t.Fatal(err)
		}
		admitted := &policy.Case{
			Credential: &revocation.Credential{AuthTime: 1000, ExpiresAt: 5000}, Issuer: &revocation.Issuer{ClockSkew: 2 * time.Second},
			Requirements: &policy.Requirements{MaxAge: c.maxAge},
		}
		terms := c.connections.terms(admitted, time.Unix(1010, 0))
		for _, end := range []struct {
			got  time.Time
			want int64
		}{{terms.Expires, c.expires}, {terms.Decays, c.decays}} {
			if end.got.IsZero() != (end.want == 0) || end.want != 0 && !end.got.Equal(time.Unix(end.want, 0)) {
				t.Errorf("%+v: %v, want %d", c.connections, terms, end.want)
			}
		}
	}
}
