package policy_test

import (
	"slices"
	"testing"
	"time"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

func TestRequirementsOfTwoGuardsAreUnited(t *testing.T) {
	long, short := time.Hour, time.Minute
	first := policy.Requirements{
		ACR: append(make([][]string, 0, 8), []string{"a"}), AMR: append(make([][]string, 0, 8), []string{"m"}),
		Scope: append(make([]string, 0, 8), "read"), MaxAge: &long, Claims: append(make([]*policy.Claim, 0, 8), &policy.Claim{Name: "groups", Values: []string{"a"}}),
	}
	both := first.Merge(policy.Requirements{
		ACR: [][]string{{"b", "c"}}, AMR: [][]string{{"n"}}, Scope: []string{"read", "write"}, MaxAge: &short,
		Claims: []*policy.Claim{{Name: "groups", Values: []string{"a"}}, {Name: "groups", Values: []string{"b"}}, {Name: "groups", Values: []string{"a"}, Unverified: true}},
	})
	// A second guard after the same first one must not change what the other has.
	_ = first.Merge(policy.Requirements{ACR: [][]string{{"x"}}, AMR: [][]string{{"y"}}, Scope: []string{"z"}, Claims: []*policy.Claim{{Name: "z"}}})
	shared := policy.Requirements{}.Merge(first)
	one, two := shared.Merge(policy.Requirements{Scope: []string{"one"}}), shared.Merge(policy.Requirements{Scope: []string{"two"}})
	if one.Scope[1] != "one" || two.Scope[1] != "two" {
		t.Errorf("what one adds, another has: %v %v", one.Scope, two.Scope)
	}
	equal := func(a, b [][]string) bool { return slices.EqualFunc(a, b, slices.Equal[[]string]) }
	if !equal(both.ACR, [][]string{{"a"}, {"b", "c"}}) || !equal(both.AMR, [][]string{{"m"}, {"n"}}) ||
		!slices.Equal(both.Scope, []string{"read", "write"}) || *both.MaxAge != short {
		t.Errorf("%+v", both)
	}
	if len(both.Claims) != 3 || both.Claims[1].Values[0] != "b" || !both.Claims[2].Unverified {
		t.Errorf("claims %v", both.Claims)
	}
	if again := both.Merge(first); *again.MaxAge != short {
		t.Errorf("a longer max_age of a later guard counts: %s", *again.MaxAge)
	}
}

// One challenge asks for what the route and every step-up that applies want.
func TestAChallengeAsksForWhatAllStepUpsWant(t *testing.T) {
	for name, c := range map[string]struct {
		stepUps []*revocation.Demand
		route   [][]string
		want    []string
	}{
		"a step-up without acr narrows nothing":       {[]*revocation.Demand{{Through: 1900}, {Through: 1900, ACR: []string{"mfa", "phr"}}}, [][]string{{"phr", "x"}}, []string{"phr"}},
		"a step-up of other routes hides none":        {[]*revocation.Demand{{Through: 1900, Sensitive: true, ACR: []string{"other"}}, {Through: 1900, ACR: []string{"mfa"}}}, nil, []string{"mfa"}},
		"a value that two ask for is listed once":     {[]*revocation.Demand{{Through: 1900, ACR: []string{"a", "b"}}}, [][]string{{"a", "c"}, {"a", "b", "d"}}, []string{"a"}},
		"all values, where none is enough for each":   {[]*revocation.Demand{{Through: 1900, ACR: []string{"a"}}}, [][]string{{"b", "a"}, {"c"}}, []string{"a", "b", "c"}},
		"values after one that is known are not lost": {[]*revocation.Demand{{Through: 1900, ACR: []string{"a"}}}, [][]string{{"a", "c"}, {"d"}}, []string{"a", "c", "d"}},
	} {
		cred := usual()
		cred.Seal()
		q := policy.Case{Credential: &cred, Issuer: exampleIssuer, Requirements: &policy.Requirements{ACR: c.route}, Now: 2000}
		q.Finding.StepUps = c.stepUps
		if d := q.Decide(); d.Reason != policy.StepUpRequired || !slices.Equal(d.Challenge.ACRValues, c.want) {
			t.Errorf("%s: %s, acr_values %v, want %v", name, d.Reason, d.Challenge.ACRValues, c.want)
		}
	}
}

func TestExplainShowsTheInstantsThatCounted(t *testing.T) {
	age := 5 * time.Minute
	cred := usual()
	cred.AuthTime = 0
	cred.Seal()
	c := policy.Case{Credential: &cred, Issuer: exampleIssuer, Requirements: &policy.Requirements{MaxAge: &age}, Now: 2000}
	c.Finding.SignIn.Through = 1900
	_, tried := c.Explain()
	inputs := make(map[string]map[string]any)
	for _, rule := range tried {
		inputs[rule.Rule] = rule.Inputs
	}
	if got := inputs["authentication"]["max_age"]; got != int64(300) {
		t.Errorf("max_age %v", got)
	}
	if in := inputs["sign_in_cut"]; in["auth_time"] != nil || in["through"] != int64(1900) {
		t.Errorf("sign_in_cut %v", in)
	}
}
