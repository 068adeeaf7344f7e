package revocation

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"curfew.dev/curfew/internal/authorization"
)

// Author says who asks for a record and why. It becomes the audit of the record.
type Author struct {
	Source     string // "admin", "cli", the name of a sender
	Actor      string
	OnBehalfOf string
	Reason     string
	Remote     string // peer address of the caller
	RequestID  string
}

// annotate puts the audit into a record.
func (a *Author) annotate(r *Record, now time.Time) {
	r.Source, r.Actor, r.OnBehalfOf, r.Reason = a.Source, a.Actor, a.OnBehalfOf, a.Reason
	r.Remote, r.RequestID, r.Time = a.Remote, a.RequestID, now.UnixMilli()
}

// Draft asks for a cut, a block or a step-up. It holds what its author chose;
// [Draft.Record] adds what follows from the configuration and from the time.
type Draft struct {
	Author
	Type   Type // Cut, Block or StepUp
	Target Target

	// Mode of a Cut; zero: the default of the target's kind.
	Mode Mode
	// At is the instant of a Cut: it refuses credentials from before it. It can
	// only be earlier than the default, which the zero time asks for: the
	// instant that is observed.
	At time.Time
	// IncludeExempt has a Cut hit the exempt clients too.
	IncludeExempt bool

	// ACR (any of), AMR (any of) and Sensitive are those of a StepUp.
	ACR, AMR  []string
	Sensitive bool
}

// Observed holds what a node knows at the moment when a draft becomes a record.
type Observed struct {
	// Now is the node's clock. The record is accepted at this time.
	Now time.Time
	// Instant returns the instant of what is written now about an issuer or, if
	// the issuer is empty, about all of them. It is later than Now if the node
	// knows that Now is too early. Nil: Now is used.
	Instant func(issuer string) time.Time
	// Facts returns what the tokens of an issuer were seen to carry; nil: no
	// token was seen.
	Facts func(issuer string) Facts
	// Seen reports whether a credential that was seen matches a target and a
	// test; nil: none was seen.
	Seen func(Target, func(*Credential) bool) bool
}

// instant returns the default instant for a target. Records hold milliseconds.
func (o *Observed) instant(t *Target) time.Time {
	if o.Instant == nil {
		return o.Now.Truncate(time.Millisecond)
	}
	return o.Instant(t.Issuer).Truncate(time.Millisecond)
}

// Record makes the record that a draft asks for, complete and valid. Every
// error is a [*DraftError].
//
// The record holds copies of what it depends on: the instant with the issuer's
// clock skew, how long it is kept, the exempt clients. No later change of the
// configuration can take it back.
func (d *Draft) Record(all Issuers, o *Observed) (Record, error) {
	var none Record
	if err := d.Target.Validate(); err != nil {
		return none, refuse(InvalidTarget, "target", "%s", strings.TrimPrefix(err.Error(), ErrTarget.Error()+": "))
	}
	is, err := all.forTarget(&d.Target)
	if err != nil {
		return none, err
	}
	if err := d.validate(); err != nil {
		return none, err
	}
	r := Record{Type: d.Type, Target: d.Target}
	switch d.Type {
	case Cut:
		kind, _ := d.Target.Kind()
		if r.Mode, err = d.mode(kind); err != nil {
			return none, err
		}
		at, err := d.instant(r.Mode, is, o)
		if err != nil {
			return none, err
		}
		r.At, r.Through = at.UnixMilli(), ThroughOf(at, is.ClockSkew)
		r.Keep = KeepFor(kind, r.Mode, is.Retention, is.longest())
		if !d.IncludeExempt {
			r.ExemptClients = all.Exempt(d.Target)
		}
	case StepUp:
		at := o.instant(&d.Target)
		r.At, r.Through = at.UnixMilli(), ThroughOf(at, is.ClockSkew)
		r.ACR, r.AMR, r.Sensitive = d.ACR, d.AMR, d.Sensitive
	}
	r.Limits = all.Limits(&r, o)
	d.annotate(&r, o.Now)
	if err := r.Validate(); err != nil {
		return none, refuse(InvalidValue, "", "%s: check the clock and the configuration of the issuer", err)
	}
	return r, nil
}

// validate checks the members that need no configuration.
func (d *Draft) validate() error {
	isCut, isStepUp := d.Type == Cut, d.Type == StepUp
	switch {
	case !isCut && !isStepUp && d.Type != Block:
		return refuse(InvalidValue, "type", "a draft is of a revocation, a block or a step-up")
	case !isCut && d.Mode != 0:
		return refuse(InvalidMode, "mode", "only a revocation has a mode: leave it out")
	case !isCut && !d.At.IsZero():
		return refuse(InvalidValue, "at", "only a revocation can be dated back: leave it out")
	case !isCut && d.IncludeExempt:
		return refuse(InvalidValue, "include_exempt", "a block or step-up passes no client by: leave it out")
	case !isStepUp && (len(d.ACR) > 0 || len(d.AMR) > 0 || d.Sensitive):
		return refuse(InvalidValue, "type", "only a step-up demands an authentication")
	}
	for _, text := range []struct {
		member, value string
		limit         int
	}{{"reason", d.Reason, MaxReason}, {"on_behalf_of", d.OnBehalfOf, MaxName}} {
		if err := oneLine(text.member, text.value, text.limit); err != nil {
			return err
		}
	}
	if err := authenticationValues("acr", d.ACR); err != nil {
		return err
	}
	return authenticationValues("amr", d.AMR)
}

// mode returns the mode that is asked for, or the default of the kind, if that
// mode can mean something.
//
//   - final refuses for good, so only a token or a key can be cut like that: a
//     person, a session or a device could never return. That is a block.
//   - One token is refused or not; it has no later sign-in or refresh.
//   - A key may be presented again after a sign-in or refresh: any mode.
func (d *Draft) mode(k Kind) (Mode, error) {
	switch m := d.Mode; {
	case m == 0:
		return k.DefaultMode(), nil
	case m > Final:
		return 0, refuse(InvalidMode, "mode", "want sign_in, refresh or final")
	case m == Final && k.DefaultMode() != Final:
		return 0, refuse(InvalidMode, "mode", "final refuses for good and is for one token or key; use a block")
	case m != Final && k == KindToken:
		return 0, refuse(InvalidMode, "mode", "one token can only be refused for good: final")
	}
	return d.Mode, nil
}

// instant returns the instant of a cut. A date can only move it back. A date in
// the future that is within the clock skew counts as the default.
func (d *Draft) instant(mode Mode, is *Issuer, o *Observed) (time.Time, error) {
	now, at := o.instant(&d.Target), d.At.Truncate(time.Millisecond)
	switch {
	case d.At.IsZero():
		return now, nil
	case mode == Final:
		// A final cut of a token is kept for a token's lifetime from its
		// instant on; one in the past would expire too early.
		return now, refuse(InvalidMode, "at", "final refuses whatever the instant: leave it out")
	case at.After(now.Add(is.ClockSkew)):
		return now, refuse(InvalidValue, "at", "lies in the future: leave it out, or name an earlier instant")
	case at.Before(now.Add(-is.Retention)):
		return now, refuse(InvalidValue, "at", "is older than the retention of %s: everything from before it is signed out already", is.Retention)
	case at.After(now):
		return now, nil
	}
	return at, nil
}

// Limits of what authors choose freely. MaxReason and MaxName are in bytes,
// MaxDemanded is the number of values of acr, and of amr.
const (
	MaxReason   = 1024
	MaxName     = 255
	MaxDemanded = 16
)

// oneLine refuses characters that could forge a line or an escape sequence
// wherever the text is shown.
func oneLine(member, text string, limit int) error {
	if len(text) > limit {
		return refuse(InvalidValue, member, "is %d bytes long, the limit is %d", len(text), limit)
	}
	for _, r := range text {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || r == utf8.RuneError {
			return refuse(InvalidValue, member, "holds a control character")
		}
	}
	return nil
}

// authenticationValues holds acr and amr to what a challenge can carry: tokens
// in a quoted, space-separated list (RFC 9470 section 3).
func authenticationValues(member string, values []string) error {
	if len(values) > MaxDemanded {
		return refuse(InvalidValue, member, "has %d values: name at most %d", len(values), MaxDemanded)
	}
	for _, v := range values {
		if v == "" || len(v) > MaxName {
			return refuse(InvalidValue, member, "each value has 1 to %d bytes", MaxName)
		}
		if !authorization.ChallengeToken(v) {
			return refuse(InvalidValue, member, "a value is visible ASCII without quotes and backslashes")
		}
	}
	return nil
}
