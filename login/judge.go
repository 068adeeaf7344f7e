package login

import (
	"time"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// verdict is whether a credential is what an attempt asked for.
type verdict uint8

const (
	met      verdict = iota
	unmet            // another try may bring it
	hopeless         // no further try can
	blocked
)

// judged is a verdict, and from when on a new sign-in can pass what the index
// refuses now, in Unix seconds; 0: at once.
type judged struct {
	verdict
	after    int64
	decision policy.Decision
}

// judge decides whether a credential meets the demand of an attempt. It is asked
// about the session that a browser has and about the one that it may get.
func (s *SignIn) judge(c *revocation.Credential, st *state, now time.Time) judged {
	subject := st.Subject == "" || st.Subject == subjectDigest(c.Issuer, c.Subject)
	p := policy.Case{
		Credential: c, Issuer: s.config.Issuer, Now: now.Unix(),
		Requirements: &policy.Requirements{ACR: st.ACR, AMR: st.AMR, Sensitive: st.Sensitive},
	}
	s.all.deps.Find(c, &p.Finding)
	d := p.Decide()
	switch {
	case d.Reason == policy.Blocked:
		return judged{blocked, 0, d}
	case c.AuthTime == 0 && (!s.config.AllowNoAuthTime || st.Fresh):
		if s.config.AllowNoAuthTime {
			return judged{hopeless, 0, d} // the provider never tells it
		}
		return judged{unmet, 0, d}
	case !d.Admits():
		return judged{unmet, s.after(&p.Finding), d}
	case !subject || !s.timely(c.AuthTime, st, now):
		return judged{unmet, 0, d}
	}
	return judged{met, 0, d}
}

// timely judges the time of sign-in. It is compared with the start of the attempt:
// a person may take minutes at the provider.
func (s *SignIn) timely(authTime int64, st *state, now time.Time) bool {
	if authTime == 0 {
		return true // judge has allowed it
	}
	age, skew := int64(s.config.lifetime()/time.Second), s.config.skew()
	if st.MaxAge != nil {
		age = min(age, *st.MaxAge)
	}
	return authTime <= now.Unix()+skew && authTime >= st.start()-age-skew
}

// after is from when on a sign-in is later than every cut and step-up of a
// finding by the clock of a provider that is behind by the skew: L + skew + 1.
func (s *SignIn) after(f *revocation.Finding) int64 {
	through := max(f.SignIn.Through, f.Session.Through, f.Device.Through, f.Refresh.Through)
	for _, d := range f.StepUps {
		through = max(through, d.Through)
	}
	if through == 0 {
		return 0
	}
	return through + s.config.skew() + 1
}

// lasting reports whether a refusal can't end: its cut stays, so that to cut what
// it refuses once more would add nothing.
func lasting(d *policy.Decision) bool {
	return d.Reason == policy.SignedOut || d.Reason == policy.Revoked
}
