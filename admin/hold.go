package admin

import (
	"time"

	"curfew.dev/curfew/revocation"
)

// planBlock checks a request for a block and fills in the record.
func (a *api) planBlock(c *call, in *blockRequest) (*plan, *Problem) {
	g, p := a.survey(c, in.Target)
	if p != nil {
		return nil, p
	}
	if p := in.Motive.check(); p != nil {
		return nil, p
	}
	r := revocation.Record{Type: revocation.Block, Target: g.target}
	return a.planHold(c, g, in.Motive.explain(r), in.Confirmation), nil
}

// planStepUp checks a request for a step-up and fills in the record.
func (a *api) planStepUp(c *call, in *stepUpRequest) (*plan, *Problem) {
	g, p := a.survey(c, in.Target)
	if p != nil {
		return nil, p
	}
	if p := in.Motive.check(); p != nil {
		return nil, p
	}
	if p := authenticationValues("/acr", in.ACR); p != nil {
		return nil, p
	}
	if p := authenticationValues("/amr", in.AMR); p != nil {
		return nil, p
	}
	now := a.Now().Truncate(time.Millisecond)
	r := revocation.Record{
		Type: revocation.StepUp, Target: g.target, At: now.UnixMilli(), Through: revocation.ThroughOf(now, g.skew),
		ACR: in.ACR, AMR: in.AMR, Sensitive: in.Routes == "sensitive", Limits: g.limits(true),
	}
	return a.planHold(c, g, in.Motive.explain(r), in.Confirmation), nil
}

// planHold signs the record. What a hold hits is what a default cut of the
// target would hit, so a preview that names the target alone confirms it.
func (a *api) planHold(c *call, g ground, r revocation.Record, by Confirmation) *plan {
	return &plan{
		ground: g, record: a.sign(c, r), Confirmation: by,
		digest: subjectDigest(g.target, g.kind.DefaultMode(), "", false),
	}
}
