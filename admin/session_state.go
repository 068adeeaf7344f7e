package admin

import (
	"strings"
	"time"

	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// The states of a session that are no reason of the policy.
const (
	active  = "active"
	expired = "expired" // nothing else refuses it: a refreshed token would be admitted
)

// stateOf says how a guard without requirements would judge a credential now.
// The ledger goes before the expiry: a session that was signed out still is when
// its last token has expired.
func (a *api) stateOf(is *revocation.Issuer, c *revocation.Credential, now time.Time) string {
	switch a.Node.State() {
	case node.Ready:
	case node.Fenced:
		return stateFor(policy.Stale)
	default:
		return stateFor(policy.NotReady)
	}
	k := policy.Case{
		Credential: c, Issuer: is,
		Requirements: new(policy.Requirements), Now: now.Unix(),
	}
	a.Node.Index().Find(c, &k.Finding)
	switch d := k.Decide(); {
	case !d.Admits():
		return stateFor(d.Reason)
	case is.Expired(c, now):
		return expired
	}
	return active
}

// stateFor is the reason's name in the form of the API's other values.
func stateFor(r policy.Reason) string { return strings.ReplaceAll(r.String(), "-", "_") }
