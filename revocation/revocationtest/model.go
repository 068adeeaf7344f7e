package revocationtest

import (
	"reflect"
	"slices"

	"curfew.dev/curfew/revocation"
)

// Located is a record and where it stands.
type Located struct {
	revocation.Ref
	revocation.Record
}

// Model is a history that forgets nothing. The zero value is empty.
type Model struct {
	records map[revocation.Ref][]revocation.Record // what was ever written under a ref
	lifted  map[revocation.Ref]bool
}

// Apply notes an entry.
func (m *Model) Apply(e revocation.Entry) {
	if m.records == nil {
		m.records, m.lifted = make(map[revocation.Ref][]revocation.Record), make(map[revocation.Ref]bool)
	}
	for i, r := range e.Records {
		ref := r.RefAt(revocation.Ref{Position: e.Position, Item: uint16(i)})
		r.Origin = revocation.Ref{} // restated, it is the same record
		if !slices.ContainsFunc(m.records[ref], func(s revocation.Record) bool { return reflect.DeepEqual(r, s) }) {
			m.records[ref] = append(m.records[ref], r)
		}
		if r.Type == revocation.Lift {
			m.lifted[r.Lifts] = true
		}
	}
}

// Matching lists the records that are not lifted and hit the credential, in
// the order of the ledger.
func (m *Model) Matching(c *revocation.Credential) []Located {
	var found []Located
	for ref, records := range m.records {
		for _, r := range records {
			held := r.Type == revocation.Block || r.Type == revocation.StepUp
			if held && m.lifted[ref] || !Hits(&r, c) {
				continue
			}
			found = append(found, Located{ref, r})
		}
	}
	slices.SortFunc(found, func(a, b Located) int { return a.Ref.Compare(b.Ref) })
	return found
}

// Hits compares a record's target with a credential, member by member.
func Hits(r *revocation.Record, c *revocation.Credential) bool {
	if slices.Contains(r.ExemptClients, c.Client) {
		return false
	}
	t := r.Target
	switch r.Type {
	case revocation.Genesis:
		return r.Through > 0
	case revocation.Lift:
		return false
	}
	for _, member := range [][2]string{
		{t.Issuer, c.Issuer},
		{t.Subject, c.Subject},
		{t.Client, c.Client},
		{t.Device, c.Device},
		{t.Session, c.Session},
		{t.TokenID, c.TokenID},
		{t.JKT, c.JKT},
		{t.X5TS256, c.X5TS256},
		{t.Tenant, c.Tenant},
		{t.SignedBy, c.KeyID},
	} {
		if member[0] != "" && member[0] != member[1] {
			return false
		}
	}
	return true
}
