package revocation

// limit is a fact without which a token escapes a record.
type limit struct {
	name  string
	fact  Fact
	needs func(*Record) bool
	// some says that a person may well have tokens with the fact and tokens
	// without. It is a limit only if a type of token was never seen with it.
	some bool
}

var allLimits = [...]limit{
	{"no_auth_time", FactAuthTime, func(r *Record) bool {
		return r.Type == StepUp || r.Type == Cut && r.Mode == SignIn
	}, false},
	// A client that can't be told is not exempt either.
	{"no_client_id", FactClient, func(r *Record) bool {
		return r.Target.Client != "" || len(r.ExemptClients) > 0
	}, false},
	{"no_sid", FactSession, func(r *Record) bool { return r.Target.Session != "" }, false},
	{"no_jti", FactTokenID, func(r *Record) bool { return r.Target.TokenID != "" }, false},
	{"no_kid", FactSigningKey, func(r *Record) bool { return r.Target.SignedBy != "" }, false},
	{"no_device_id", FactDevice, func(r *Record) bool { return r.Target.Device != "" }, true},
	{"no_tenant", FactTenant, func(r *Record) bool { return r.Target.Tenant != "" }, true},
}

// Limits lists what a record can't do, as far as it was observed: it can't
// refuse tokens that lack a fact by which it is matched or compared.
func (all Issuers) Limits(r *Record, o *Observed) []string {
	switch r.Type {
	case Cut, Block, StepUp:
	default:
		return nil
	}
	var names []string
	for i := range allLimits {
		if l := &allLimits[i]; l.needs(r) && all.escapes(l, r, o) {
			names = append(names, l.name)
		}
	}
	return names
}

// PossibleLimits lists the limits that such a record may get, whatever is
// observed.
func (r *Record) PossibleLimits() []string {
	var names []string
	for i := range allLimits {
		if allLimits[i].needs(r) {
			names = append(names, allLimits[i].name)
		}
	}
	return names
}

// escapes reports whether tokens that the record means lack the fact.
func (all Issuers) escapes(l *limit, r *Record, o *Observed) bool {
	if r.Target.Issuer == "" { // a bound key may be used with any issuer
		for _, is := range all {
			if is.lacks(l, r, o, false) {
				return true
			}
		}
		return false
	}
	is := all[r.Target.Issuer]
	return is != nil && is.lacks(l, r, o, is.isOfMachine(&r.Target, o))
}

// lacks reports whether tokens of the issuer that the record means lack the
// fact. The tokens of machines never have an auth_time.
func (i *Issuer) lacks(l *limit, r *Record, o *Observed, machine bool) bool {
	if machine && l.fact == FactAuthTime {
		return true
	}
	if o.Facts == nil {
		return false
	}
	facts := o.Facts(i.URL)
	for t := range NumTokenTypes {
		switch {
		case t == MachineToken && !machine && !reachesMachines(&r.Target),
			t != MachineToken && l.fact == FactAuthTime && i.RequireAuthTime:
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
func reachesMachines(t *Target) bool {
	return t.Subject == "" && t.Session == "" && t.Device == ""
}
