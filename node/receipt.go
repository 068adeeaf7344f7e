package node

import (
	"time"

	"curfew.dev/curfew/revocation"
)

// Receipt is what a write returns (design, section 8): where a record stands
// and which nodes enforce it.
type Receipt struct {
	ID            string             `json:"id"`
	Position      string             `json:"position"`
	Lifts         string             `json:"lifts,omitempty"`
	Target        *revocation.Target `json:"target,omitempty"`
	Mode          string             `json:"mode,omitempty"`
	At            *Time              `json:"at,omitempty"`
	ACR           []string           `json:"acr,omitempty"`
	AMR           []string           `json:"amr,omitempty"`
	Routes        string             `json:"routes,omitempty"`
	Source        string             `json:"source"`
	Actor         string             `json:"actor,omitempty"`
	OnBehalfOf    string             `json:"on_behalf_of,omitempty"`
	Reason        string             `json:"reason,omitempty"`
	ExemptClients []string           `json:"exempt_clients"`
	Limits        []string           `json:"limits"`
	Durability    string             `json:"durability"`
	Enforcement   Enforcement        `json:"enforcement"`
}

// Enforcement says where a record is in force.
type Enforcement struct {
	State string `json:"state" enum:"enforced,pending,partial"`
	// EnforcedBy is the bound: after it no node admits what was revoked. Null
	// while there is none.
	EnforcedBy      *Time         `json:"enforced_by"`
	LiveRequestsCut int           `json:"live_requests_cut"`
	Nodes           []NodeReceipt `json:"nodes"`
}

// NodeReceipt is one node's part of a receipt.
type NodeReceipt struct {
	Node            string `json:"node"`
	State           string `json:"state" enum:"enforced,pending,fenced"`
	EnforcedAt      *Time  `json:"enforced_at"`
	LiveRequestsCut int    `json:"live_requests_cut"`
}

// Time is an instant in JSON: RFC 3339, UTC, milliseconds.
type Time struct{ time.Time }

// NewTime rounds to milliseconds.
func NewTime(t time.Time) *Time { return &Time{t.UTC().Truncate(time.Millisecond)} }

// notBefore rounds up: until the instant that a receipt gives, a node may have
// admitted what it refuses from then on.
func notBefore(t time.Time) *Time { return NewTime(t.Add(time.Millisecond - 1)) }

// MarshalText writes the instant with three decimals, always.
func (t Time) MarshalText() ([]byte, error) {
	return t.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z07:00"), nil
}

// MarshalJSON quotes the text.
func (t Time) MarshalJSON() ([]byte, error) {
	b, err := t.MarshalText()
	return append(append([]byte{'"'}, b...), '"'), err
}

func milliseconds(ms int64) *Time { return NewTime(time.UnixMilli(ms)) }

// receipt tells the part of the story that the record itself knows.
func receipt(r *revocation.Record, ref revocation.Ref) Receipt {
	out := Receipt{
		ID: ref.ID(r.Type), Position: ref.Position.String(),
		Source: r.Source, Actor: r.Actor, OnBehalfOf: r.OnBehalfOf, Reason: r.Reason,
		ACR: r.ACR, AMR: r.AMR, ExemptClients: nonNil(r.ExemptClients), Limits: nonNil(r.Limits),
	}
	if r.Target != (revocation.Target{}) {
		out.Target = &r.Target
	}
	if r.At != 0 {
		out.At = milliseconds(r.At)
	}
	switch {
	case r.Type == revocation.Cut:
		out.Mode = r.Mode.String()
	case r.Type == revocation.Genesis && r.Through != 0:
		// It signs out everyone, of every issuer, from before it.
		out.Mode, out.At = revocation.SignIn.String(), milliseconds(max(r.At, r.Time))
	}
	if r.Type == revocation.StepUp {
		out.Routes = "all"
		if r.Sensitive {
			out.Routes = "sensitive"
		}
	}
	return out
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
