package policy_test

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// written is a case of testdata/cases.json. Instants are Unix seconds; records
// stand at 1.1.0, 1.2.0 and so on. It is decided at 2000, with a skew of 2 s
// and a retention of 1000 s.
type written struct {
	Name         string
	Credential   claims
	Records      []line
	Requirements struct {
		ACR, AMR  [][]string
		MaxAge    *int64 `json:"max_age"`
		Scope     []string
		Claims    []*policy.Claim
		Sensitive bool
	}
	Want struct {
		Reason    string
		MaxAge    *int64   `json:"max_age"`
		ACRValues []string `json:"acr_values"`
		Scope     []string
		Record    string
	}
}

// claims is what differs from [usual].
type claims struct {
	IAT      int64  `json:"iat"`
	AuthTime *int64 `json:"auth_time"`
	ACR      *string
	AMR      []string
	Scope    []string
	Claims   values
}

// values are claims by name: an array of texts, or true.
type values map[string]any

func (v values) Values(name string) []string {
	var all []string
	held, _ := v[name].([]any)
	for _, held := range held {
		all = append(all, held.(string))
	}
	return all
}

func (v values) True(name string) bool { return v[name] == true }

type line struct {
	Type      string
	Target    revocation.Target
	Mode      string
	At        float64
	Exempt    []string
	ACR, AMR  []string
	Sensitive bool
	Lifts     uint64
}

const (
	decidedAt = 2000
	skew      = 2 * time.Second
)

var exampleIssuer = &revocation.Issuer{ClockSkew: skew, Retention: 1000 * time.Second}

func usual() revocation.Credential {
	return revocation.Credential{
		Issuer: "i", Subject: "a", Client: "web", Session: "s", Device: "d", Tenant: "t", TokenID: "n", KeyID: "k",
		JKT: "p", X5TS256: "x", IssuedAt: 1991, AuthTime: 1900, ExpiresAt: 3000, ACR: "low", AMR: []string{"pwd"},
	}
}

func (c claims) credential() *revocation.Credential {
	cred := usual()
	if c.IAT != 0 {
		cred.IssuedAt = c.IAT
	}
	if c.AuthTime != nil {
		cred.AuthTime = *c.AuthTime
	}
	if c.ACR != nil {
		cred.ACR = *c.ACR
	}
	if c.AMR != nil {
		cred.AMR = c.AMR
	}
	cred.Scope = c.Scope
	cred.Seal()
	return &cred
}

func (l line) record(t *testing.T) revocation.Record {
	r := revocation.Record{
		Type: map[string]revocation.Type{
			"genesis": revocation.Genesis, "revocation": revocation.Cut, "block": revocation.Block,
			"step_up": revocation.StepUp, "lift": revocation.Lift,
		}[l.Type],
		Target: l.Target, ExemptClients: l.Exempt, ACR: l.ACR, AMR: l.AMR, Sensitive: l.Sensitive,
	}
	if l.Mode != "" {
		var err error
		if r.Mode, err = revocation.ParseMode(l.Mode); err != nil {
			t.Fatal(err)
		}
	}
	if l.At != 0 {
		r.At = int64(l.At * 1000)
		r.Through = revocation.ThroughOf(time.UnixMilli(r.At), skew)
	}
	if l.Lifts != 0 {
		r.Lifts = revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: l.Lifts}}
	}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *written) requirements() *policy.Requirements {
	r := w.Requirements
	got := &policy.Requirements{ACR: r.ACR, AMR: r.AMR, Scope: r.Scope, Claims: r.Claims, Sensitive: r.Sensitive}
	if r.MaxAge != nil {
		age := time.Duration(*r.MaxAge) * time.Second
		got.MaxAge = &age
	}
	return got
}

func TestCases(t *testing.T) {
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []written
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		t.Run(w.Name, func(t *testing.T) {
			var x revocation.Index
			for i, l := range w.Records {
				x.Apply(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: uint64(i + 1)}, Records: []revocation.Record{l.record(t)}})
			}
			c := policy.Case{Credential: w.Credential.credential(), Issuer: exampleIssuer, Requirements: w.requirements(), Claims: policy.ClaimsOf(w.Credential.Claims), Now: decidedAt}
			x.Find(c.Credential, &c.Finding)
			d := c.Decide()
			if d.Reason.String() != w.Want.Reason {
				t.Fatalf("%s, want %s", d.Reason, w.Want.Reason)
			}
			if d.Admits() != (w.Want.Reason == "admitted") {
				t.Errorf("admits is %v", d.Admits())
			}
			if got := d.RevocationID(); got != w.Want.Record {
				t.Errorf("by %q, want %q", got, w.Want.Record)
			}
			want := policy.Challenge{ACRValues: w.Want.ACRValues, Scope: w.Want.Scope}
			if w.Want.MaxAge != nil {
				want.MaxAge, want.HasMaxAge = *w.Want.MaxAge, true
			}
			if !reflect.DeepEqual(d.Challenge, want) {
				t.Errorf("challenge %+v, want %+v", d.Challenge, want)
			}
		})
	}
}
