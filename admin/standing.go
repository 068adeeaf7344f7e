package admin

import (
	"strings"
	"time"

	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// The standings that are no reason of the policy.
const (
	active  = "active"
	expired = "expired" // nothing else refuses it: a refreshed token would be admitted
)

// standing is what a guard without requirements would make of a credential now.
// What the ledger says of it goes before its expiry: a session that was signed
// out still is when its last token has expired.
func (a *api) standing(is *revocation.Issuer, c *revocation.Credential, now time.Time) string {
	switch a.Node.State() {
	case node.Ready:
	case node.Fenced:
		return standingOf(policy.Stale)
	default:
		return standingOf(policy.NotReady)
	}
	k := policy.Case{
		Credential: c, Issuer: is,
		Requirements: new(policy.Requirements), Now: now.Unix(),
	}
	a.Node.Index().Find(c, &k.Finding)
	switch d := k.Decide(); {
	case !d.Admits():
		return standingOf(d.Reason)
	case is.Expired(c, now):
		return expired
	}
	return active
}

// standingOf is the reason's name in the form of the API's other values.
func standingOf(r policy.Reason) string { return strings.ReplaceAll(r.String(), "-", "_") }
