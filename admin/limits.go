package admin

import (
	"slices"

	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// limit is a fact without which a token escapes a record.
type limit struct {
	name  string
	fact  revocation.Fact
	needs func(*revocation.Record) bool
	// some says that a person may well have tokens with the fact and tokens
	// without. It is a limit only where a type of token was never seen with it.
	some bool
}

var allLimits = [...]limit{
	{"no_auth_time", revocation.FactAuthTime, func(r *revocation.Record) bool {
		return r.Type == revocation.StepUp || r.Type == revocation.Cut && r.Mode == revocation.SignIn
	}, false},
	// A client that can't be told is not exempt either.
	{"no_client_id", revocation.FactClient, func(r *revocation.Record) bool {
		return r.Target.Client != "" || len(r.ExemptClients) > 0
	}, false},
	{"no_sid", revocation.FactSession, func(r *revocation.Record) bool { return r.Target.Session != "" }, false},
	{"no_jti", revocation.FactTokenID, func(r *revocation.Record) bool { return r.Target.TokenID != "" }, false},
	{"no_kid", revocation.FactSigningKey, func(r *revocation.Record) bool { return r.Target.SignedBy != "" }, false},
	{"no_device_id", revocation.FactDevice, func(r *revocation.Record) bool { return r.Target.Device != "" }, true},
	{"no_tenant", revocation.FactTenant, func(r *revocation.Record) bool { return r.Target.Tenant != "" }, true},
}

// limits is what a record can't do, as far as it is known now: it can't hit the
// tokens that lack a fact by which it tells whom it hits, or from when.
func (a *api) limits(r *revocation.Record) []string {
	switch r.Type {
	case revocation.Cut, revocation.Block, revocation.StepUp:
	default:
		return nil
	}
	var all []string
	for i := range allLimits {
		if l := &allLimits[i]; l.needs(r) && a.escapes(l, r) {
			all = append(all, l.name)
		}
	}
	return all
}

// conceivable are the limits that such a record may have, whatever is known.
func conceivable(r *revocation.Record) []string {
	var all []string
	for i := range allLimits {
		if allLimits[i].needs(r) {
			all = append(all, allLimits[i].name)
		}
	}
	return all
}

// escapes reports whether tokens that the record means lack the fact.
func (a *api) escapes(l *limit, r *revocation.Record) bool {
	if r.Target.Issuer == "" { // a bound key may be used with any issuer
		for _, is := range a.issuers {
			if is.lacks(l, r, false) {
				return true
			}
		}
		return false
	}
	is := a.issuers[r.Target.Issuer]
	return is != nil && is.lacks(l, r, a.isOfMachine(is, &r.Target))
}

// lacks reports whether tokens of an issuer that the record means lack the fact.
// A machine's tokens never have an auth_time.
func (is *Issuer) lacks(l *limit, r *revocation.Record, machine bool) bool {
	if machine && l.fact == revocation.FactAuthTime {
		return true
	}
	if is.Facts == nil {
		return false
	}
	facts := is.Facts()
	for t := range revocation.NumTokenTypes {
		switch {
		case t == revocation.MachineToken && !machine && !reachesMachines(&r.Target),
			t != revocation.MachineToken && l.fact == revocation.FactAuthTime && is.RequireAuthTime:
			continue
		}
		if facts.Lack(t, l.fact) && !(l.some && facts.Carry(t, l.fact)) {
			return true
		}
	}
	return false
}

// reachesMachines reports whether a target that names no machine means machines
// as well. A subject is taken for a person, and sessions and devices are theirs.
func reachesMachines(t *revocation.Target) bool {
	return t.Subject == "" && t.Session == "" && t.Device == ""
}

// isOfMachine reports whether a target names a client that acts for itself: by
// the configuration, as its own subject, or because tokens of it were seen.
func (a *api) isOfMachine(is *Issuer, t *revocation.Target) bool {
	named := func(id string) bool { return slices.Contains(is.MachineClients, id) }
	switch {
	case t.Device != "":
		return false
	case t.Client != "" && (named(t.Client) || t.Client == t.Subject):
		return true
	}
	return named(t.Subject) || a.Sightings.Have(*t, func(c *revocation.Credential) bool {
		return c.AuthTime == 0 && (c.Client == c.Subject || named(c.Client))
	})
}

// receiptOf is a receipt as it stands now.
func (a *api) receiptOf(r *revocation.Record, ref revocation.Ref) node.Receipt {
	return a.limited(a.Node.ReceiptOf(r, ref), r)
}

// limited adds to the limits that were told when the record was written those
// that became known since.
func (a *api) limited(receipt node.Receipt, r *revocation.Record) node.Receipt {
	for _, l := range a.limits(r) {
		if !slices.Contains(receipt.Limits, l) {
			receipt.Limits = append(slices.Clip(receipt.Limits), l)
		}
	}
	return receipt
}
