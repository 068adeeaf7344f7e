package account

import (
	"cmp"
	"slices"
	"strings"
	"unique"

	"curfew.dev/curfew/revocation"
)

// sighting is the memory of one session.
type sighting struct {
	credential  revocation.Credential // the newest that was presented
	first, last int64                 // Unix milliseconds
	note        uint64                // the number of the last Note
	links       [numRings]links
}

func newSighting(c *revocation.Credential, now int64) *sighting {
	s := &sighting{first: now}
	s.credential = revocation.Credential{
		Issuer: shared(c.Issuer), Subject: strings.Clone(c.Subject), Client: shared(c.Client),
		Session: strings.Clone(c.Session), Device: strings.Clone(c.Device),
	}
	s.keep(c)
	return s
}

// update takes in another credential of the session. It ignores a credential from
// an earlier sign-in, or an older token of the same sign-in: an old token says
// nothing about the sign-in that followed.
func (s *sighting) update(c *revocation.Credential) {
	kept := &s.credential
	if cmp.Or(cmp.Compare(c.AuthTime, kept.AuthTime), cmp.Compare(c.IssuedAt, kept.IssuedAt)) >= 0 {
		s.keep(c)
	}
}

// keep copies the sealed keys by which targets match a credential, its times
// and its way of authentication. The strings of a credential share the memory
// of the whole token, so keeping one would keep the token.
func (s *sighting) keep(c *revocation.Credential) {
	kept, next := &s.credential, *c
	next.Issuer, next.Subject, next.Client, next.Session, next.Device = kept.Issuer, kept.Subject, kept.Client, kept.Session, kept.Device
	next.Tenant, next.TokenID, next.KeyID, next.JKT, next.X5TS256 = "", "", "", "", ""
	next.Scope, next.Audiences = nil, nil
	next.ACR, next.AMR = shared(c.ACR), kept.AMR
	if !slices.Equal(c.AMR, kept.AMR) {
		next.AMR = make([]string, len(c.AMR)) // a caller may still read the old slice
		for i, method := range c.AMR {
			next.AMR[i] = shared(method)
		}
	}
	*kept = next
}

// shared returns a copy of a value that many sessions have in common. The copy
// is stored once.
func shared(value string) string { return unique.Make(value).Value() }
