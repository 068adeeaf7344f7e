package policy_test

import (
	"math/bits"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/revocation/revocationtest"
)

// reasonsOf is sections 3 and 7 of the design, read record by record: every
// reason that there is to refuse, gravest first.
func reasonsOf(c *policy.Case, matching []revocationtest.Located) []policy.Reason {
	has := make(map[policy.Reason]bool)
	cred, req := c.Credential, c.Requirements
	if cred.AuthTime != 0 && cred.AuthTime < c.Now-int64(c.Issuer.Retention/time.Second) {
		has[policy.SignedOut] = true
	}
	for _, r := range matching {
		switch {
		case r.Type == revocation.Block:
			has[policy.Blocked] = true
		case r.Type == revocation.StepUp:
			if !r.Sensitive || req.Sensitive {
				has[policy.StepUpRequired] = has[policy.StepUpRequired] || cred.AuthTime <= r.Through ||
					r.ACR != nil && !slices.Contains(r.ACR, cred.ACR) || r.AMR != nil && !slices.Contains(cred.AMR, r.AMR[0])
			}
		case r.Mode == revocation.Final:
			has[policy.Revoked] = true
		case r.Mode == revocation.Refresh:
			has[policy.Revoked] = has[policy.Revoked] || cred.IssuedAt <= r.Through
		case cred.AuthTime != 0:
			has[policy.SignedOut] = has[policy.SignedOut] || cred.AuthTime <= r.Through
		case r.Target.Session != "":
			has[policy.SignedOut] = true
		case cred.IssuedAt > r.Through:
		case r.Target.Device != "":
			has[policy.SignedOut] = true
		default:
			has[policy.Revoked] = true
		}
	}
	if req.MaxAge != nil && (cred.AuthTime == 0 || c.Now-cred.AuthTime > int64((*req.MaxAge+c.Issuer.ClockSkew)/time.Second)) {
		has[policy.StepUpRequired] = true
	}
	for _, group := range req.ACR {
		has[policy.StepUpRequired] = has[policy.StepUpRequired] || !slices.Contains(group, cred.ACR)
	}
	for _, group := range req.AMR {
		met := slices.ContainsFunc(group, func(v string) bool { return slices.Contains(cred.AMR, v) })
		has[policy.StepUpRequired] = has[policy.StepUpRequired] || !met
	}
	for _, s := range req.Scope {
		has[policy.InsufficientScope] = has[policy.InsufficientScope] || !slices.Contains(cred.Scope, s)
	}
	for _, demand := range req.Claims {
		has[policy.ClaimMissing] = has[policy.ClaimMissing] || !c.Claims.Meets(demand)
	}
	var all []policy.Reason
	for _, r := range []policy.Reason{policy.Blocked, policy.SignedOut, policy.Revoked, policy.StepUpRequired, policy.InsufficientScope, policy.ClaimMissing} {
		if has[r] {
			all = append(all, r)
		}
	}
	return all
}

func drawRequirements(t *rapid.T) *policy.Requirements {
	r := &policy.Requirements{Sensitive: rapid.Bool().Draw(t, "sensitive route")}
	r.ACR = rapid.SampledFrom([][][]string{nil, nil, {{"high"}}, {{"low", "high"}, {"high", "other"}}}).Draw(t, "required acr")
	r.AMR = rapid.SampledFrom([][][]string{nil, nil, {{"mfa"}}, {{"otp", "mfa"}}}).Draw(t, "required amr")
	r.Scope = rapid.SampledFrom([][]string{nil, nil, {"read"}, {"read", "write"}}).Draw(t, "required scope")
	r.Claims = rapid.SampledFrom([][]*policy.Claim{nil, nil, {{Name: "groups", Values: []string{"staff"}}}, {{Name: "email", Values: []string{"*@b"}}, {Name: "groups", Values: []string{"*"}}}}).Draw(t, "required claims")
	if rapid.Bool().Draw(t, "has max_age") {
		age := time.Duration(rapid.IntRange(0, 6).Draw(t, "max_age")) * time.Second
		r.MaxAge = &age
	}
	return r
}

// drawCase draws a case with what a model knows of it.
func drawCase(t *rapid.T) (*policy.Case, []revocationtest.Located) {
	var x revocation.Index
	var m revocationtest.Model
	for _, e := range revocationtest.History(t) {
		x.Apply(e)
		m.Apply(e)
	}
	c := &policy.Case{
		Credential:   revocationtest.Credential(t),
		Issuer:       &revocation.Issuer{ClockSkew: time.Second, Retention: 10 * time.Second},
		Requirements: drawRequirements(t),
		Now:          revocationtest.Start + rapid.Int64Range(0, revocationtest.Span+4).Draw(t, "now"),
	}
	c.Credential.Scope = rapid.SampledFrom([][]string{nil, {"read"}, {"write", "read"}}).Draw(t, "scope")
	c.Claims = policy.ClaimsOf(rapid.SampledFrom([]values{nil, {"groups": []any{"staff"}}, {"groups": []any{"guests"}, "email": []any{"a@b"}, "email_verified": true}}).Draw(t, "claims"))
	x.Find(c.Credential, &c.Finding)
	return c, m.Matching(c.Credential)
}

func TestDecisionIsTheStrictestOfAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, matching := drawCase(t)
		d, want := c.Decide(), policy.Admitted
		if all := reasonsOf(c, matching); len(all) > 0 {
			want = all[0]
		}
		if d.Reason != want {
			t.Fatalf("%s, want %s; credential %+v, matching %+v", d.Reason, want, c.Credential, matching)
		}
		// What is named as the culprit must be one.
		if !d.Record.IsZero() && !slices.ContainsFunc(matching, func(r revocationtest.Located) bool { return r.Ref == d.Record }) {
			t.Fatalf("%s does not match the credential", d.RevocationID())
		}
	})
}

func TestExplainAgreesWithDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _ := drawCase(t)
		want := c.Decide()
		got, tried := c.Explain()
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("explained %+v, decided %+v", got, want)
		}
		first := policy.Admitted.String()
		for _, rule := range tried {
			if (rule.Outcome == "refuse") != (rule.Reason != "") {
				t.Fatalf("%+v", rule)
			}
			if rule.Outcome == "refuse" && first == policy.Admitted.String() {
				first = rule.Reason
				if id := want.RevocationID(); id != "" && rule.Inputs["record"] != id {
					t.Fatalf("%+v does not name %s", rule, id)
				}
			}
		}
		if first != want.Reason.String() || len(tried) != 9 {
			t.Fatalf("%d rules, the first to refuse is %s, decided %s", len(tried), first, want.Reason)
		}
	})
}

// R3: when several rules apply the most restrictive wins, whatever the subset.
func TestAllSubsetsOfRules(t *testing.T) {
	cut := func(mode revocation.Mode, through int64, target revocation.Target) revocation.Record {
		return revocation.Record{Type: revocation.Cut, Mode: mode, Through: through, Target: target}
	}
	const before, since = 1800, 1950 // of the authentication
	rules := []revocation.Record{
		{Type: revocation.Genesis, Through: before},
		cut(revocation.SignIn, since, revocation.Target{Issuer: "i"}),
		cut(revocation.SignIn, before, revocation.Target{Issuer: "i", Tenant: "t"}),
		cut(revocation.SignIn, before, revocation.Target{Issuer: "i", Subject: "a"}),
		cut(revocation.Refresh, since, revocation.Target{Issuer: "i", Subject: "a"}),
		cut(revocation.Refresh, 1995, revocation.Target{Issuer: "i", Client: "web"}),
		cut(revocation.SignIn, 1999, revocation.Target{Issuer: "i", Session: "s"}),
		cut(revocation.SignIn, before, revocation.Target{Issuer: "i", Subject: "a", Device: "d"}),
		cut(revocation.Final, 0, revocation.Target{JKT: "p"}),
		{Type: revocation.Block, Target: revocation.Target{Issuer: "i", Subject: "a", Client: "web"}},
		{Type: revocation.StepUp, Through: since, Target: revocation.Target{Issuer: "i", Subject: "a"}},
		{Type: revocation.Block, Target: revocation.Target{Issuer: "i", Subject: "b"}},
	}
	decide := func(subset int) policy.Decision {
		var x revocation.Index
		for i, r := range rules {
			if subset&(1<<i) != 0 {
				x.Apply(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: uint64(i + 1)}, Records: []revocation.Record{r}})
			}
		}
		c := policy.Case{Credential: claims{}.credential(), Issuer: exampleIssuer, Requirements: &policy.Requirements{}, Now: decidedAt}
		x.Find(c.Credential, &c.Finding)
		return c.Decide()
	}
	alone := make([]policy.Reason, len(rules))
	for i := range rules {
		alone[i] = decide(1 << i).Reason
	}
	rank := map[policy.Reason]int{policy.Admitted: 0, policy.StepUpRequired: 1, policy.Revoked: 2, policy.SignedOut: 3, policy.Blocked: 4}
	for subset := range 1 << len(rules) {
		want := policy.Admitted
		for s := subset; s != 0; s &= s - 1 {
			if r := alone[bits.TrailingZeros(uint(s))]; rank[r] > rank[want] {
				want = r
			}
		}
		if got := decide(subset); got.Reason != want {
			t.Fatalf("subset %012b: %s, want %s", subset, got.Reason, want)
		}
	}
}

// S1: acr, amr, auth_time and what the route wants of each are judged apart,
// and a fresh iat stands in for none of them.
func TestMatrixOfAuthentication(t *testing.T) {
	age := 60 * time.Second
	for _, acr := range []string{"", "low", "high"} {
		for _, amr := range [][]string{nil, {"pwd"}, {"pwd", "mfa"}} {
			for _, auth := range []int64{0, decidedAt - 63, decidedAt - 62, decidedAt} {
				for wants := range 8 {
					r := &policy.Requirements{}
					met := true
					if wants&1 != 0 {
						r.ACR = [][]string{{"high", "phr"}}
						met = met && acr == "high"
					}
					if wants&2 != 0 {
						r.AMR = [][]string{{"mfa"}}
						met = met && len(amr) == 2
					}
					if wants&4 != 0 {
						r.MaxAge = &age
						met = met && auth >= decidedAt-62
					}
					cred := claims{IAT: decidedAt, AuthTime: &auth, ACR: &acr}.credential()
					cred.AMR = amr
					c := policy.Case{Credential: cred, Issuer: exampleIssuer, Requirements: r, Now: decidedAt}
					d := c.Decide()
					if d.Admits() != met || !met && d.Reason != policy.StepUpRequired {
						t.Errorf("acr %q, amr %v, auth_time %d, wants %03b: %s", acr, amr, auth, wants, d.Reason)
					}
				}
			}
		}
	}
}

// Section 3.5 of the threats: iat and auth_time around the instant, by skew.
func TestTheSameSecond(t *testing.T) {
	const at = 1_500_000 + 700 // ms: T is 1500.7
	user := revocation.Target{Issuer: "i", Subject: "a"}
	for _, skew := range []time.Duration{0, 200 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 2300 * time.Millisecond} {
		last := map[time.Duration]int64{0: 1500, 200 * time.Millisecond: 1500, 300 * time.Millisecond: 1501, 2 * time.Second: 1502, 2300 * time.Millisecond: 1503}[skew]
		for _, mode := range []revocation.Mode{revocation.SignIn, revocation.Refresh} {
			var x revocation.Index
			x.Apply(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: 1}, Records: []revocation.Record{{
				Type: revocation.Cut, Mode: mode, Target: user, Through: revocation.ThroughOf(time.UnixMilli(at), skew),
			}}})
			for instant := int64(1497); instant < 1507; instant++ {
				for _, auth := range []int64{0, instant} {
					cred := claims{IAT: instant, AuthTime: &auth}.credential()
					c := policy.Case{Credential: cred, Issuer: &revocation.Issuer{ClockSkew: skew, Retention: time.Hour}, Requirements: &policy.Requirements{}, Now: 1600}
					x.Find(cred, &c.Finding)
					want := policy.Admitted
					switch {
					case instant > last:
					case mode == revocation.SignIn && auth != 0:
						want = policy.SignedOut
					default:
						want = policy.Revoked
					}
					if d := c.Decide(); d.Reason != want {
						t.Errorf("skew %s, %s, iat %d, auth_time %d: %s, want %s", skew, mode, instant, auth, d.Reason, want)
					}
				}
			}
		}
	}
}

// Only an authentication after the instant of a step-up satisfies it. One in the
// same second may have been before it.
func TestAStepUpIsNotSatisfiedInItsOwnSecond(t *testing.T) {
	for authTime, want := range map[int64]policy.Reason{1899: policy.StepUpRequired, 1900: policy.StepUpRequired, 1901: policy.Admitted} {
		cred := usual()
		cred.AuthTime = authTime
		cred.Seal()
		c := policy.Case{Credential: &cred, Issuer: exampleIssuer, Requirements: new(policy.Requirements), Now: 2000}
		c.Finding.StepUps = []*revocation.Demand{{Through: 1900}}
		if d := c.Decide(); d.Reason != want {
			t.Errorf("auth_time %d: %s, want %s", authTime, d.Reason, want)
		}
	}
}

func TestMergeKeepsSensitive(t *testing.T) {
	for _, a := range []bool{false, true} {
		for _, b := range []bool{false, true} {
			if got := (policy.Requirements{Sensitive: a}).Merge(policy.Requirements{Sensitive: b}); got.Sensitive != (a || b) {
				t.Errorf("%v and %v give %v", a, b, got.Sensitive)
			}
		}
	}
}

func TestMergeAddsUp(t *testing.T) {
	admits := func(c *policy.Case, r *policy.Requirements) bool {
		with := *c
		with.Requirements = r
		d := with.Decide()
		return d.Admits()
	}
	rapid.Check(t, func(t *rapid.T) {
		c, _ := drawCase(t)
		a, b := drawRequirements(t), drawRequirements(t)
		before := *a
		both := a.Merge(*b)
		if !reflect.DeepEqual(*a, before) {
			t.Fatal("merging changed what was merged")
		}
		if got := admits(c, &both); got != (admits(c, a) && admits(c, b)) {
			t.Fatalf("together %v; %v and %v", got, admits(c, a), admits(c, b))
		}
	})
}

// Requirements never shadow one another: adding any refuses no less (S3).
func TestRequirementsOnlyRefuseMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _ := drawCase(t)
		d := c.Decide()
		with := *c
		merged := c.Requirements.Merge(*drawRequirements(t))
		with.Requirements = &merged
		if after := with.Decide(); after.Admits() && !d.Admits() {
			t.Fatalf("was %s, is admitted with more required", d.Reason)
		}
	})
}
