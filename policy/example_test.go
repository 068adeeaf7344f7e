package policy_test

import (
	"fmt"
	"time"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// A route that demands multi-factor authentication and a scope refuses a
// credential that shows neither. The decision names the gravest reason and what
// the client must ask its provider for.
func Example() {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	credential := &revocation.Credential{
		Issuer: "https://login.example.com", Subject: "alice", ACR: "pwd",
		AuthTime: now.Add(-time.Hour).Unix(), IssuedAt: now.Unix(), ExpiresAt: now.Add(time.Hour).Unix(),
	}
	c := policy.Case{
		Credential:   credential,
		Issuer:       &revocation.Issuer{URL: "https://login.example.com", ClockSkew: 2 * time.Second, Retention: 90 * 24 * time.Hour},
		Requirements: &policy.Requirements{ACR: [][]string{{"mfa"}}, Scope: []string{"orders.read"}},
		Now:          now.Unix(),
	}
	d := c.Decide()
	fmt.Println(d.Reason.Status(), d.Reason, d.Challenge.ACRValues)

	credential.ACR, credential.Scope = "mfa", []string{"orders.read"}
	d = c.Decide()
	fmt.Println(d.Admits())
	// Output:
	// 401 step-up-required [mfa]
	// true
}

// A finding of the index refuses a credential from before a sign-out, and the
// challenge asks for a newer sign-in.
func ExampleCase_Decide() {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	issuers := revocation.Issuers{"https://login.example.com": {
		URL: "https://login.example.com", ClockSkew: 2 * time.Second, Retention: 90 * 24 * time.Hour,
	}}
	draft := revocation.Draft{Type: revocation.Cut, Target: revocation.Target{Issuer: "https://login.example.com", Subject: "alice"}}
	record, err := draft.Record(issuers, &revocation.Observed{Now: now})
	if err != nil {
		panic(err)
	}
	var index revocation.Index
	index.Apply(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: 7}, Records: []revocation.Record{record}})

	credential := &revocation.Credential{Issuer: "https://login.example.com", Subject: "alice", AuthTime: now.Add(-time.Hour).Unix()}
	credential.Seal()
	c := policy.Case{
		Credential: credential, Issuer: issuers[credential.Issuer], Requirements: new(policy.Requirements),
		Now: now.Add(time.Minute).Unix(),
	}
	index.Find(credential, &c.Finding)
	d := c.Decide()
	fmt.Println(d.Reason, d.RevocationID(), d.Challenge.MaxAge)
	// Output:
	// signed-out rev_1.7.0 55
}

// Explain tries every rule, so that an operator sees each input and outcome.
func ExampleCase_Explain() {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC).Unix()
	c := policy.Case{
		Credential:   &revocation.Credential{AuthTime: now, IssuedAt: now, Scope: []string{"orders.read"}},
		Issuer:       &revocation.Issuer{Retention: 90 * 24 * time.Hour},
		Requirements: &policy.Requirements{Scope: []string{"orders.write"}},
		Now:          now,
	}
	_, tried := c.Explain()
	for _, rule := range tried {
		if rule.Outcome == "refuse" {
			fmt.Println(rule.Rule, rule.Reason, rule.Inputs["required_scope"])
		}
	}
	// Output:
	// scope insufficient-scope [orders.write]
}
