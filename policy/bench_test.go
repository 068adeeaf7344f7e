package policy_test

import (
	"testing"
	"time"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// satisfied is a case that every rule looks at and none refuses.
func satisfied() *policy.Case {
	age := 10 * time.Minute
	cred := usual()
	cred.Scope = []string{"billing:read", "billing:write"}
	cred.Seal()
	var x revocation.Index
	x.Apply(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: 1}, Records: []revocation.Record{
		{Type: revocation.Cut, Mode: revocation.SignIn, Through: 100, Target: revocation.Target{Issuer: "i", Subject: "a"}},
		{Type: revocation.StepUp, Through: 100, ACR: []string{"low"}, AMR: []string{"pwd"}, Target: revocation.Target{Issuer: "i", Subject: "a"}},
	}})
	c := &policy.Case{
		Credential: &cred, Issuer: exampleIssuer, Now: decidedAt,
		Requirements: &policy.Requirements{
			ACR: [][]string{{"phr", "low"}}, AMR: [][]string{{"pwd"}}, MaxAge: &age, Scope: []string{"billing:write"}, Sensitive: true,
			Claims: []*policy.Claim{{Name: "groups", Values: []string{"staff"}}},
		},
		Claims: policy.ClaimsOf(known),
	}
	x.Find(c.Credential, &c.Finding)
	return c
}

// known are claims that were read before.
var known = memo{"groups": {"guests", "staff"}}

type memo map[string][]string

func (m memo) Values(name string) []string { return m[name] }
func (m memo) True(string) bool            { return false }

func TestDecideDoesNotAllocate(t *testing.T) {
	plain := &policy.Case{Credential: satisfied().Credential, Issuer: exampleIssuer, Requirements: &policy.Requirements{}, Now: decidedAt}
	for name, c := range map[string]*policy.Case{"plain": plain, "with requirements": satisfied()} {
		var d policy.Decision
		if n := testing.AllocsPerRun(100, func() { d = c.Decide() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if !d.Admits() {
			t.Errorf("%s: %s", name, d.Reason)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	run := func(name string, c *policy.Case) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := c.Decide(); !d.Admits() {
					b.Fatal(d.Reason)
				}
			}
		})
	}
	c := satisfied()
	run("requirements", c)
	run("clear", &policy.Case{Credential: c.Credential, Issuer: exampleIssuer, Requirements: &policy.Requirements{}, Now: decidedAt})
}
