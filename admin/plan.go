package admin

import (
	"errors"
	"strings"
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/revocation"
)

// plan is a write that was checked: its record, and how it must be confirmed.
type plan struct {
	record revocation.Record
	Confirmation
	wait   time.Duration // for the other nodes
	digest [32]byte      // of the request that its preview must have been made for
}

// planCut checks a request for a cut and makes its record.
func (a *api) planCut(c *httpapi.Call, in *revocationRequest) (*plan, *Problem) {
	d := in.Motive.draft(revocation.Cut, in.Target)
	d.IncludeExempt = in.IncludeExempt
	var err error
	if in.Mode != "" {
		if d.Mode, err = revocation.ParseMode(in.Mode); err != nil {
			return nil, invalidMode.At("/mode", "%s", err)
		}
	}
	if in.At != "" {
		if d.At, err = time.Parse(time.RFC3339Nano, in.At); err != nil {
			return nil, httpapi.InvalidRequest.At("/at", "want an instant as in RFC 3339, such as 2026-11-20T10:00:00Z")
		}
	}
	p, refused := a.plan(c, d, in.Patience, in.Confirmation)
	if refused != nil {
		return nil, refused
	}
	p.digest = subjectDigest(d.Target, p.record.Mode, in.At, p.record.ExemptClients)
	return p, nil
}

// planHold checks a request for a block or step-up and makes its record. A hold
// hits what a default cut of its target would hit, so a preview that names the
// target alone confirms it.
func (a *api) planHold(c *httpapi.Call, d *revocation.Draft, patience Patience, by Confirmation) (*plan, *Problem) {
	p, refused := a.plan(c, d, patience, by)
	if refused != nil {
		return nil, refused
	}
	kind, _ := d.Target.Kind()
	p.digest = subjectDigest(d.Target, kind.DefaultMode(), "", a.issuers.Exempt(d.Target))
	return p, nil
}

// plan checks the caller's role for the target and makes the record of a draft.
func (a *api) plan(c *httpapi.Call, d *revocation.Draft, patience Patience, by Confirmation) (*plan, *Problem) {
	if d.Target.Validate() == nil {
		if p := c.Needs(roleFor(d.Target)); p != nil {
			return nil, p
		}
	}
	reason, onBehalfOf := d.Reason, d.OnBehalfOf
	d.Author = author(c)
	d.Reason, d.OnBehalfOf = reason, onBehalfOf
	r, err := d.Record(a.issuers, a.observed())
	if err != nil {
		return nil, draftProblem(err)
	}
	wait, refused := parseWait("/wait", patience.Wait)
	if refused != nil {
		return nil, refused
	}
	return &plan{record: r, Confirmation: by, wait: wait}, nil
}

// roleFor is the role that a write to a target takes. A preview takes none of
// its own.
func roleFor(t revocation.Target) Role {
	if kind, _ := t.Kind(); kind.Wide() {
		return BreakGlass
	}
	return Write
}

// observed returns what this node knows now.
func (a *api) observed() *revocation.Observed {
	now := a.Now()
	return &revocation.Observed{
		Now: now, Instant: func(issuer string) time.Time { return a.Node.Instant(issuer, now) },
		Facts: a.Facts, Seen: a.Sightings.Have,
	}
}

// faults are the problems that the errors of drafts are answered with.
var faults = map[revocation.Fault]httpapi.Kind{
	revocation.InvalidTarget: invalidTarget,
	revocation.UnknownIssuer: unknownIssuer,
	revocation.Unenforceable: unenforceable,
	revocation.InvalidMode:   invalidMode,
	revocation.InvalidValue:  httpapi.InvalidRequest,
}

// draftProblem points at the member of the body that is at fault.
func draftProblem(err error) *Problem {
	var refused *revocation.DraftError
	if !errors.As(err, &refused) {
		return httpapi.Internal.Because("the record could not be made")
	}
	if refused.Member == "" {
		return faults[refused.Fault].Because("%s", refused.Detail)
	}
	return faults[refused.Fault].At("/"+strings.ReplaceAll(refused.Member, ".", "/"), "%s", refused.Detail)
}
