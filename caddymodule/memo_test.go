package caddymodule

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// The memo of a token must not change a decision: a decision with a harmless
// finding equals the decision with an empty one.
func TestHarmlessFindingsChangeNothing(t *testing.T) {
	instants := rapid.Int64Range(0, 6)
	harmful := 0
	rapid.Check(t, func(t *rapid.T) {
		through := func(name string) revocation.Bound {
			return revocation.Bound{Through: instants.Draw(t, name), Ref: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 1}}}
		}
		f := revocation.Finding{
			SignIn: through("sign_in"), Refresh: through("refresh"), Session: through("session"), Device: through("device"),
			Blocked: rapid.Bool().Draw(t, "blocked"), Finally: rapid.Bool().Draw(t, "final"),
		}
		// The index ensures this: sign_in includes the narrower cuts.
		f.SignIn.Through = max(f.SignIn.Through, f.Session.Through, f.Device.Through)
		if rapid.Bool().Draw(t, "step-up") {
			f.StepUps = []*revocation.Demand{{Through: instants.Draw(t, "stepped"), Sensitive: rapid.Bool().Draw(t, "sensitive")}}
		}
		c := revocation.Credential{
			Issuer: "i", Subject: "a", AuthTime: instants.Draw(t, "auth_time"), IssuedAt: instants.Draw(t, "iat"), ExpiresAt: 100,
		}
		c.Seal()
		if !harmless(&f, &c) {
			harmful++
			return
		}
		for _, sensitive := range []bool{false, true} {
			with := policy.Case{
				Credential: &c, Finding: f, Now: instants.Draw(t, "now"), Requirements: &policy.Requirements{Sensitive: sensitive},
				Issuer: &revocation.Issuer{Retention: time.Duration(rapid.IntRange(1, 6).Draw(t, "retention")) * time.Second},
			}
			without := with
			without.Finding = revocation.Finding{}
			if a, b := with.Decide(), without.Decide(); a.Reason != b.Reason {
				t.Fatalf("%+v of %+v: %s with the finding, %s without", f, c, a.Reason, b.Reason)
			}
		}
	})
	if harmful == 0 {
		t.Error("no finding was harmful")
	}
}
