package admin

import (
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/revocation"
)

// plan is a write that was checked: the record, and what must confirm it.
type plan struct {
	ground
	record revocation.Record
	Confirmation
	wait   time.Duration // for the other nodes
	digest [32]byte      // of what a preview must have been made for
}

// planCut checks a request for a cut and fills in the record.
func (a *api) planCut(c *httpapi.Call, in *revocationRequest) (*plan, *Problem) {
	g, p := a.survey(c, in.Target)
	if p != nil {
		return nil, p
	}
	mode, p := g.mode(in.Mode)
	if p != nil {
		return nil, p
	}
	if p := in.Motive.check(); p != nil {
		return nil, p
	}
	wait, p := parseWait("/wait", in.Wait)
	if p != nil {
		return nil, p
	}
	at, p := a.instant(&g, mode, in.At)
	if p != nil {
		return nil, p
	}
	r := revocation.Record{
		Type: revocation.Cut, Target: g.target, Mode: mode,
		At: at.UnixMilli(), Through: revocation.ThroughOf(at, g.skew),
		Keep: revocation.KeepFor(g.kind, mode, g.retention, g.lifetime),
	}
	if !in.IncludeExempt {
		r.ExemptClients = g.exempt
	}
	r.Limits = a.limits(&r)
	return &plan{
		ground: g, record: in.Motive.annotate(a.attribute(c, r)), Confirmation: in.Confirmation,
		wait: wait, digest: subjectDigest(g.target, mode, in.At, r.ExemptClients),
	}, nil
}

// now is the instant of what is written about a target now.
func (a *api) now(g *ground) time.Time {
	return a.Node.Instant(g.target.Issuer, a.Now()).Truncate(time.Millisecond)
}

// instant is the T of a cut. One that was asked for can only move it back.
func (a *api) instant(g *ground, mode revocation.Mode, asked string) (time.Time, *Problem) {
	now := a.now(g)
	if asked == "" {
		return now, nil
	}
	at, err := time.Parse(time.RFC3339Nano, asked)
	at = at.Truncate(time.Millisecond)
	switch {
	case err != nil:
		return now, httpapi.InvalidRequest.At("/at", "want an instant as in RFC 3339, such as 2026-11-20T10:00:00Z")
	case mode == revocation.Final:
		// A final cut of a token is kept for a token's lifetime from its
		// instant on; one in the past would expire too early.
		return now, invalidMode.At("/at", "final refuses whatever the instant: leave it out")
	case at.After(now.Add(g.skew)):
		return now, httpapi.InvalidRequest.At("/at", "lies in the future")
	case at.Before(now.Add(-g.retention)):
		return now, httpapi.InvalidRequest.At("/at", "is older than the retention of %s: everything from before it is signed out already", g.retention)
	case at.After(now):
		return now, nil
	}
	return at, nil
}
