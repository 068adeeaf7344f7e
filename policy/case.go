package policy

import "curfew.dev/curfew/revocation"

// Case is everything one decision depends on. Its methods read it only.
type Case struct {
	Credential   *revocation.Credential
	Finding      revocation.Finding
	Issuer       *revocation.Issuer // of the credential; required
	Requirements *Requirements
	Claims       Claims // of the credential; nil: it meets no demand on a claim
	Now          int64  // Unix seconds, rounded down
}

// Decision is the outcome of a case. The zero Decision admits.
type Decision struct {
	Reason Reason
	// Record is the record that refused, with its type; zero: no record did.
	Record     revocation.Ref
	RecordType revocation.Type
	// Challenge asks the client for a credential that would satisfy the route.
	Challenge Challenge
}

// Challenge holds the parameters of a WWW-Authenticate header.
type Challenge struct {
	ACRValues []string // any of, in order of preference
	MaxAge    int64    // seconds; counts if HasMaxAge
	HasMaxAge bool
	Scope     []string
}

// Admits reports whether the request may pass.
func (d *Decision) Admits() bool { return d.Reason == Admitted }

// RevocationID is the identifier of the record that refused, or empty.
func (d *Decision) RevocationID() string {
	if d.Record.IsZero() {
		return ""
	}
	return d.Record.ID(d.RecordType)
}

// Decide walks the rules to the first refusal.
func (c *Case) Decide() Decision {
	for i := range rules {
		if d := rules[i].judge(c); d != nil {
			return *d
		}
	}
	return Decision{}
}

// Tried is one rule with its inputs and its outcome.
type Tried struct {
	Rule    string         `json:"rule"`
	Outcome string         `json:"outcome" enum:"pass,refuse"`
	Reason  string         `json:"reason,omitempty"`
	Inputs  map[string]any `json:"inputs"`
}

// Explain tries every rule, in the order of the decision.
func (c *Case) Explain() (Decision, []Tried) {
	var first Decision
	all := make([]Tried, 0, len(rules))
	for _, r := range rules {
		t := Tried{Rule: r.name, Outcome: "pass", Inputs: r.inputs(c)}
		if d := r.judge(c); d != nil {
			t.Outcome, t.Reason = "refuse", d.Reason.String()
			if id := d.RevocationID(); id != "" {
				t.Inputs["record"] = id
			}
			if first.Admits() {
				first = *d
			}
		}
		all = append(all, t)
	}
	return first, all
}
