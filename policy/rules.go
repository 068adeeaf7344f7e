package policy

import (
	"slices"
	"time"

	"curfew.dev/curfew/revocation"
)

// A rule judges one thing. Order is precedence: blocked, signed out, revoked,
// step-up, scope, claims, as section 7 ranks them.
type rule struct {
	name string
	// judge returns nil if the credential passes. A Decision by value would be
	// cleared and copied once for every rule of every request.
	judge  func(*Case) *Decision
	inputs func(*Case) map[string]any
}

var rules = [...]rule{
	{"block", block, func(c *Case) map[string]any {
		return map[string]any{"blocked": c.Finding.Blocked}
	}},
	{"retention", retention, func(c *Case) map[string]any {
		return map[string]any{"auth_time": instant(c.Credential.AuthTime), "now": c.Now, "retention": seconds(c.Issuer.Retention)}
	}},
	{"sign_in_cut", signInCut, func(c *Case) map[string]any {
		return map[string]any{
			"auth_time": instant(c.Credential.AuthTime), "iat": c.Credential.IssuedAt,
			"through": instant(c.Finding.SignIn.Through), "session_through": instant(c.Finding.Session.Through),
			"device_through": instant(c.Finding.Device.Through),
		}
	}},
	{"final_cut", finalCut, func(c *Case) map[string]any {
		return map[string]any{"final": c.Finding.Finally}
	}},
	{"refresh_cut", refreshCut, func(c *Case) map[string]any {
		return map[string]any{"iat": c.Credential.IssuedAt, "through": instant(c.Finding.Refresh.Through)}
	}},
	{"step_up", stepUp, func(c *Case) map[string]any {
		return map[string]any{
			"step_ups": len(c.Finding.StepUps), "sensitive": c.Requirements.Sensitive,
			"auth_time": instant(c.Credential.AuthTime), "acr": c.Credential.ACR, "amr": c.Credential.AMR,
		}
	}},
	{"authentication", authentication, func(c *Case) map[string]any {
		in := map[string]any{
			"acr": c.Credential.ACR, "required_acr": c.Requirements.ACR,
			"amr": c.Credential.AMR, "required_amr": c.Requirements.AMR,
			"auth_time": instant(c.Credential.AuthTime), "now": c.Now,
		}
		if c.Requirements.MaxAge != nil {
			in["max_age"] = seconds(*c.Requirements.MaxAge)
		}
		return in
	}},
	{"scope", scope, func(c *Case) map[string]any {
		return map[string]any{"scope": c.Credential.Scope, "required_scope": c.Requirements.Scope}
	}},
	{"claim", claim, func(c *Case) map[string]any {
		required, missing := make([]string, 0, len(c.Requirements.Claims)), []string{}
		for _, demand := range c.Requirements.Claims {
			text := demand.String()
			required = append(required, text)
			if !c.meets(demand) {
				missing = append(missing, text)
			}
		}
		return map[string]any{"required_claims": required, "missing_claims": missing}
	}},
}

// instant shows an absent instant as null.
func instant(unix int64) any {
	if unix == 0 {
		return nil
	}
	return unix
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func block(c *Case) *Decision {
	if !c.Finding.Blocked {
		return nil
	}
	return &Decision{Reason: Blocked, Record: c.Finding.Block, RecordType: revocation.Block}
}

// retention refuses what is older than any cut that is still kept.
func retention(c *Case) *Decision {
	oldest := c.Now - seconds(c.Issuer.Retention)
	if c.Credential.AuthTime == 0 || c.Credential.AuthTime >= oldest {
		return nil
	}
	return &Decision{Reason: SignedOut, Challenge: c.signInAfter(oldest - 1)}
}

func signInCut(c *Case) *Decision {
	f := &c.Finding
	if at := c.Credential.AuthTime; at != 0 {
		if at > f.SignIn.Through {
			return nil
		}
		return c.signedOut(f.SignIn)
	}
	// Without an auth_time a refreshed token looks like a new sign-in. A
	// session can still be told, and is refused whatever the iat.
	switch iat := c.Credential.IssuedAt; {
	case f.Session.Through != 0:
		return c.signedOut(f.Session)
	case iat <= f.Device.Through:
		return c.signedOut(f.Device)
	case iat <= f.SignIn.Through:
		return cut(f.SignIn.Ref)
	}
	return nil
}

func finalCut(c *Case) *Decision {
	if !c.Finding.Finally {
		return nil
	}
	return cut(c.Finding.Final)
}

func refreshCut(c *Case) *Decision {
	if c.Credential.IssuedAt > c.Finding.Refresh.Through {
		return nil
	}
	return cut(c.Finding.Refresh.Ref)
}

func cut(ref revocation.Ref) *Decision {
	return &Decision{Reason: Revoked, Record: ref, RecordType: revocation.Cut}
}

func (c *Case) signedOut(b revocation.Bound) *Decision {
	return &Decision{
		Reason: SignedOut, Record: b.Ref, RecordType: revocation.Cut,
		Challenge: c.signInAfter(max(b.Through, c.Finding.SignIn.Through)),
	}
}

// signInAfter asks for an authentication later than an instant. The provider
// compares max_age with its own clock, so the skew is taken off too: with the
// obvious now - through - 1 a provider that is behind would hand out the same
// auth_time again and again. A user who signed in within the skew would be
// locked out for ever.
func (c *Case) signInAfter(through int64) Challenge {
	skew := int64((c.Issuer.ClockSkew + time.Second - 1) / time.Second)
	return Challenge{MaxAge: max(0, c.Now-through-skew-1), HasMaxAge: true}
}

// stepUp holds each credential to the step-ups of its targets: an
// authentication after the instant, strong enough.
func stepUp(c *Case) *Decision {
	for _, d := range c.Finding.StepUps {
		if c.applies(d) && !c.satisfies(d) {
			return &Decision{Reason: StepUpRequired, Record: d.Ref, RecordType: revocation.StepUp, Challenge: c.stronger()}
		}
	}
	return nil
}

func (c *Case) applies(d *revocation.Demand) bool { return !d.Sensitive || c.Requirements.Sensitive }

func (c *Case) satisfies(d *revocation.Demand) bool {
	return c.Credential.AuthTime > d.Through &&
		(len(d.ACR) == 0 || slices.Contains(d.ACR, c.Credential.ACR)) && c.hasAMR(d)
}

func (c *Case) hasAMR(d *revocation.Demand) bool {
	return len(d.AMR) == 0 || intersects(d.AMR, c.Credential.AMR)
}

// authentication holds the credential to the route's acr, amr and max_age.
func authentication(c *Case) *Decision {
	r, cred := c.Requirements, c.Credential
	decays, does := c.DecaysAt()
	old := does && (cred.AuthTime == 0 || c.Now >= decays)
	if !old && (len(r.ACR) == 0 || meets(r.ACR, cred.ACR)) && meets(r.AMR, cred.AMR...) {
		return nil
	}
	return &Decision{Reason: StepUpRequired, Challenge: c.stronger()}
}

// DecaysAt returns the second from which on the sign-in is too long ago for the
// requirements, whatever else happens. It is not ok if they have no max_age.
func (c *Case) DecaysAt() (unix int64, ok bool) {
	if c.Requirements.MaxAge == nil {
		return 0, false
	}
	return c.Credential.AuthTime + seconds(*c.Requirements.MaxAge+c.Issuer.ClockSkew) + 1, true
}

// stronger asks for one sign-in that satisfies the route and every step-up that
// applies, those that are satisfied included: a sign-in for one must not lose
// another, or the two would send the user to and fro.
func (c *Case) stronger() Challenge {
	var ask Challenge
	within := func(age int64) {
		if !ask.HasMaxAge || age < ask.MaxAge {
			ask.MaxAge, ask.HasMaxAge = age, true
		}
	}
	var groups [][]string
	hasAMR := meets(c.Requirements.AMR, c.Credential.AMR...)
	for _, d := range c.Finding.StepUps {
		if !c.applies(d) {
			continue
		}
		if len(d.ACR) > 0 {
			groups = append(groups, d.ACR)
		}
		within(c.signInAfter(d.Through).MaxAge)
		hasAMR = hasAMR && c.hasAMR(d)
	}
	ask.ACRValues = oneOf(append(groups, c.Requirements.ACR...))
	if c.Requirements.MaxAge != nil {
		within(seconds(*c.Requirements.MaxAge))
	}
	if !hasAMR {
		// A challenge has no word for amr. Without a new sign-in the provider
		// would hand out the same amr again.
		within(0)
	}
	return ask
}

func scope(c *Case) *Decision {
	for _, want := range c.Requirements.Scope {
		if !slices.Contains(c.Credential.Scope, want) {
			return &Decision{Reason: InsufficientScope, Challenge: Challenge{Scope: c.Requirements.Scope}}
		}
	}
	return nil
}

func claim(c *Case) *Decision {
	for _, demand := range c.Requirements.Claims {
		if !c.meets(demand) {
			return &Decision{Reason: ClaimMissing}
		}
	}
	return nil
}

func (c *Case) meets(demand *Claim) bool { return c.Claims != nil && c.Claims.Meets(demand) }
