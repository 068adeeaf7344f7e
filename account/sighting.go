package account

import (
	"cmp"
	"slices"
	"strings"
	"unique"

	"curfew.dev/curfew/revocation"
)

// sighting is what is remembered of one session.
type sighting struct {
	credential  revocation.Credential // the newest of those that were presented
	first, last int64                 // Unix milliseconds
	note        uint64                // the number of the last one
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

// meet has the session stand by another credential of it, unless that is from
// an earlier sign-in, or an earlier token of the same: what was copied long ago
// and comes now says nothing about who signed in since.
func (s *sighting) meet(c *revocation.Credential) {
	kept := &s.credential
	if cmp.Or(cmp.Compare(c.AuthTime, kept.AuthTime), cmp.Compare(c.IssuedAt, kept.IssuedAt)) >= 0 {
		s.keep(c)
	}
}

// keep remembers the sealed keys by which targets match a credential, its
// instants and how it was authenticated. Its strings share the memory of the
// whole token, so none of them is kept.
func (s *sighting) keep(c *revocation.Credential) {
	kept, next := &s.credential, *c
	next.Issuer, next.Subject, next.Client, next.Session, next.Device = kept.Issuer, kept.Subject, kept.Client, kept.Session, kept.Device
	next.Tenant, next.TokenID, next.KeyID, next.JKT, next.X5TS256 = "", "", "", "", ""
	next.Scope, next.Audiences = nil, nil
	next.ACR, next.AMR = shared(c.ACR), kept.AMR
	if !slices.Equal(c.AMR, kept.AMR) {
		next.AMR = make([]string, len(c.AMR)) // the one before may be read by who found it
		for i, method := range c.AMR {
			next.AMR[i] = shared(method)
		}
	}
	*kept = next
}

// shared is a copy of a value that many sessions have, made once for most.
func shared(value string) string { return unique.Make(value).Value() }
