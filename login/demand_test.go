package login

import (
	"testing"
	"time"

	"curfew.dev/curfew/policy"
)

func TestAProblemNamesWhatItDemands(t *testing.T) {
	minute, hour := time.Minute, time.Hour
	for want, d := range map[string]Demand{
		"/.curfew/sign-in":                            {},
		"/.curfew/sign-in?acr_values=a+b":             {ACR: [][]string{{"a", "b"}}},
		"/.curfew/sign-in?acr_values=b":               {ACR: [][]string{{"a", "b"}, {"b", "c"}}},
		"/.curfew/sign-in?acr_values=a+c":             {ACR: [][]string{{"a"}, {"c"}}},
		"/.curfew/sign-in?acr_values=x":               {ACR: [][]string{{"a"}}, ACRValues: []string{"x"}},
		"/.curfew/sign-in?max_age=60":                 {MaxAge: &hour, Ask: &minute},
		"/.curfew/sign-in?max_age=3600":               {MaxAge: &hour},
		"/.curfew/sign-in?max_age=60&prompt=login":    {Ask: &minute, Prompt: "login"},
		"/.curfew/sign-in?acr_values=a&max_age=60":    {ACR: [][]string{{"a"}}, MaxAge: &minute, Ask: &hour},
		"/.curfew/sign-in?prompt=select_account":      {Prompt: "select_account"},
		"/.curfew/sign-in?acr_values=urn%3Aa%2Fb%3Fc": {ACR: [][]string{{"urn:a/b?c"}}},
	} {
		if got := d.Path(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestOnlyAStepUpKeepsTheSubject(t *testing.T) {
	s, required := new(Session), &policy.Requirements{Sensitive: true}
	for reason, want := range map[policy.Reason]bool{
		policy.StepUpRequired: true, policy.SignedOut: false, policy.Revoked: false, policy.NoCredential: false,
	} {
		d := DemandOf(required, &policy.Decision{Reason: reason, Challenge: policy.Challenge{MaxAge: 5, HasMaxAge: true}}, s)
		if (d.Of == s) != want || !d.Sensitive || *d.Ask != 5*time.Second {
			t.Errorf("%s: %+v", reason, d)
		}
	}
}
