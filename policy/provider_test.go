package policy_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/revocation/revocationtest"
)

// provider signs a user in, and does no more than a challenge literally asks
// for. Its clock is off by skew; all clocks are in milliseconds.
type provider struct {
	skew     int64
	whole    bool // compares whole seconds
	silent   bool // its tokens carry no auth_time
	authTime int64
	acr      string
	amr      []string
	signIns  int   // each is a new session
	last     int64 // sign-in, by the gateway's clock
}

func (p *provider) now(gateway int64) int64 { return gateway + p.skew }

func (p *provider) signIn(gateway int64, acr string) {
	p.authTime = p.now(gateway) / 1000
	p.acr, p.amr = acr, []string{"pwd"}
	p.signIns++
	p.last = gateway
}

// answer is what an authorization request with a challenge's parameters does.
func (p *provider) answer(gateway int64, c policy.Challenge) {
	weak := c.ACRValues != nil && !slices.Contains(c.ACRValues, p.acr)
	age := p.now(gateway) - p.authTime*1000
	if p.whole {
		age = p.now(gateway)/1000*1000 - p.authTime*1000
	}
	old := c.HasMaxAge && (c.MaxAge == 0 || age > c.MaxAge*1000)
	if !weak && !old {
		return
	}
	acr := p.acr
	if c.ACRValues != nil {
		acr = c.ACRValues[0]
	}
	p.signIn(gateway, acr)
	p.amr = []string{"pwd", "mfa"} // the user has read the page
}

func (p *provider) token(gateway int64) *revocation.Credential {
	c := &revocation.Credential{
		Issuer: "i", Subject: "a", Client: "web", Device: "d", Session: strconv.Itoa(p.signIns),
		IssuedAt: p.now(gateway) / 1000, ACR: p.acr, AMR: p.amr,
	}
	if !p.silent {
		c.AuthTime = p.authTime
	}
	c.ExpiresAt = c.IssuedAt + 300
	c.Seal()
	return c
}

// Whatever was cut or stepped up and whenever the user signed in: who plays the
// challenges back gets in within ten seconds, twice the skew on either side and
// a round trip, and never on the old sign-in.
func TestNobodyIsLockedOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const start = 1_800_000_000_000
		bit := func(label string) bool { return rapid.Bool().Draw(t, label) }
		issuer := &revocation.Issuer{ClockSkew: skew, Retention: 100 * time.Second}
		p := &provider{
			skew: rapid.Int64Range(-2000, 2000).Draw(t, "skew"), whole: bit("whole"), silent: bit("silent"),
		}
		now := int64(start) + rapid.Int64Range(0, 999).Draw(t, "phase")
		p.signIn(now-rapid.Int64Range(0, 200_000).Draw(t, "signed in ago"), "low")
		cred := p.token(now)

		var x revocation.Index
		var cuts []revocation.Record
		for i := range rapid.IntRange(1, 4).Draw(t, "records") {
			now += rapid.Int64Range(0, 3000).Draw(t, "pause")
			r := drawRecord(t, p, now)
			if r.Type == revocation.Cut {
				cuts = append(cuts, r)
			}
			x.Apply(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: uint64(i + 1)}, Records: []revocation.Record{r}})
			if bit("signs in meanwhile") {
				p.signIn(now, "low")
			}
		}
		requirements := &policy.Requirements{Sensitive: bit("sensitive")}
		if !p.silent {
			requirements.ACR = rapid.SampledFrom([][][]string{nil, {{"other", "high"}}, {{"high"}, {"x", "high"}}}).Draw(t, "acr")
			requirements.AMR = rapid.SampledFrom([][][]string{nil, {{"mfa"}}}).Draw(t, "amr")
			if bit("has max_age") {
				age := 6 * time.Second
				requirements.MaxAge = &age
			}
		}

		// A quick client meets the same second again and again.
		roundTrip := rapid.SampledFrom([]int64{200, 700, 1500}).Draw(t, "round trip")
		began := now
		for {
			c := policy.Case{Credential: cred, Issuer: issuer, Requirements: requirements, Now: now / 1000}
			if cred.AuthTime > c.Now+2 || cred.IssuedAt > c.Now+2 {
				t.Fatalf("auth_time %d, iat %d are beyond now %d + skew", cred.AuthTime, cred.IssuedAt, c.Now)
			}
			x.Find(cred, &c.Finding)
			d := c.Decide()
			if d.Admits() {
				break
			}
			if now-began > 10_000 {
				t.Fatalf("locked out for %d ms: %s %+v, %+v", now-began, d.Reason, d.Challenge, cred)
			}
			now += roundTrip
			if d.Reason == policy.SignedOut || d.Reason == policy.StepUpRequired {
				p.answer(now, d.Challenge)
			}
			cred = p.token(now)
		}
		for _, cut := range cuts {
			if !revocationtest.Hits(&cut, cred) {
				continue // a session that is no longer the user's
			}
			// Without an auth_time, all that can be told is that the token is new.
			if !p.silent && p.last <= cut.At || cred.IssuedAt*1000-p.skew < cut.At-999 {
				t.Fatalf("cut at %d, in by a sign-in at %d, token %+v", cut.At, p.last, cred)
			}
		}
	})
}

// drawRecord draws what a user can get out of: a sign_in cut, or, where tokens
// tell the time of authentication, a step-up that the user can satisfy.
func drawRecord(t *rapid.T, p *provider, now int64) revocation.Record {
	r := revocation.Record{
		Type: revocation.Cut, Mode: revocation.SignIn, At: now, Through: revocation.ThroughOf(time.UnixMilli(now), skew),
		Target: rapid.SampledFrom([]revocation.Target{
			{Issuer: "i", Subject: "a"},
			{Issuer: "i"},
			{Issuer: "i", Subject: "a", Device: "d"},
			{Issuer: "i", Session: p.token(now).Session},
		}).Draw(t, "target"),
	}
	if !p.silent && rapid.Bool().Draw(t, "step-up") {
		r.Type, r.Mode = revocation.StepUp, 0
		r.ACR = rapid.SampledFrom([][]string{nil, {"high"}, {"x", "high"}, {"other", "high"}}).Draw(t, "step-up acr")
		r.AMR = rapid.SampledFrom([][]string{nil, {"mfa"}}).Draw(t, "step-up amr")
		r.Sensitive = rapid.Bool().Draw(t, "step-up sensitive")
	}
	return r
}
