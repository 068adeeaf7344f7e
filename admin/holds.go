package admin

import (
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// heldReceipt is the receipt of a block or step-up, which may have been lifted.
type heldReceipt struct {
	node.Receipt
	State string `json:"state" enum:"in_force,lifted"`
}

func (a *api) held(l *ledger.Located) heldReceipt {
	out := heldReceipt{a.receiptOf(&l.Record, l.Ref), "lifted"}
	if a.Node.Index().InForce(l.Ref) {
		out.State = "in_force"
	}
	return out
}

func (a *api) block(c *httpapi.Call, in *httpapi.Body[blockRequest]) (*receiptReply, *Problem) {
	p, refused := a.planBlock(c, &in.Body)
	if refused != nil {
		return nil, refused
	}
	return answered(a.execute(c, p))
}

func (a *api) stepUp(c *httpapi.Call, in *httpapi.Body[stepUpRequest]) (*receiptReply, *Problem) {
	p, refused := a.planStepUp(c, &in.Body)
	if refused != nil {
		return nil, refused
	}
	return answered(a.execute(c, p))
}

// planBlock checks a request for a block and fills in the record.
func (a *api) planBlock(c *httpapi.Call, in *blockRequest) (*plan, *Problem) {
	g, p := a.survey(c, in.Target)
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
	r := revocation.Record{Type: revocation.Block, Target: g.target}
	return a.planHold(c, g, in.Motive.annotate(r), in.Confirmation, wait), nil
}

// planStepUp checks a request for a step-up and fills in the record.
func (a *api) planStepUp(c *httpapi.Call, in *stepUpRequest) (*plan, *Problem) {
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
	wait, p := parseWait("/wait", in.Wait)
	if p != nil {
		return nil, p
	}
	now := a.now(&g)
	r := revocation.Record{
		Type: revocation.StepUp, Target: g.target, At: now.UnixMilli(), Through: revocation.ThroughOf(now, g.skew),
		ACR: in.ACR, AMR: in.AMR, Sensitive: in.Routes == "sensitive",
	}
	return a.planHold(c, g, in.Motive.annotate(r), in.Confirmation, wait), nil
}

// planHold attributes the record. What a hold hits is what a default cut of the
// target would hit, so a preview that names the target alone confirms it.
func (a *api) planHold(c *httpapi.Call, g ground, r revocation.Record, by Confirmation, wait time.Duration) *plan {
	r.Limits = a.limits(&r)
	return &plan{
		ground: g, record: a.attribute(c, r), Confirmation: by, wait: wait,
		digest: subjectDigest(g.target, g.kind.DefaultMode(), "", g.exempt),
	}
}

// liftByID is the input of a lift, which has no body.
type liftByID struct {
	ID   string `path:"id" doc:"The id of a receipt" example:"blk_7.1042.0"`
	Wait string `query:"wait" doc:"How long to wait until every node knows it, up to 8s; default: 2s" example:"2s"`
}

func (a *api) unblock(c *httpapi.Call, in *liftByID) (*receiptReply, *Problem) {
	return a.lift(c, revocation.Block, in)
}

func (a *api) liftStepUp(c *httpapi.Call, in *liftByID) (*receiptReply, *Problem) {
	return a.lift(c, revocation.StepUp, in)
}

// lift ends a block or step-up for good, whoever asked for it. It takes the
// role that beginning it took. What is lifted already stays lifted, and the
// first lift's receipt is returned.
func (a *api) lift(c *httpapi.Call, t revocation.Type, in *liftByID) (*receiptReply, *Problem) {
	wait, refused := parseWait("", in.Wait)
	if refused != nil {
		return nil, refused
	}
	held, refused := a.record(c, t, in.ID)
	if refused != nil {
		return nil, refused
	}
	kind, _ := held.Record.Target.Kind()
	if p := c.Needs(roleFor(kind)); p != nil {
		return nil, p
	}
	if !a.Node.Index().InForce(held.Ref) && a.Node.State() == node.Ready {
		first, refused := a.liftOf(c, held)
		if refused != nil {
			return nil, refused
		}
		if first != nil {
			keyed := len(c.Request.Header.Values("Idempotency-Key")) > 0
			return answered(&written{a.Node.ReceiptOf(&first.Record, first.Ref), keyed}, nil)
		}
	}
	return answered(a.write(c, a.attribute(c, revocation.Record{Type: revocation.Lift, Lifts: held.Ref}), wait))
}

// liftOf finds the first lift of a record. Only lifts of the same account that
// are later than the record can be it.
func (a *api) liftOf(c *httpapi.Call, held *ledger.Located) (*ledger.Located, *Problem) {
	page := ledger.Page{
		Issuer: held.Record.Target.Issuer, Subject: held.Record.Target.Subject,
		Types: []revocation.Type{revocation.Lift}, Limit: maxPage,
	}
	var first *ledger.Located
	for {
		found, refused := a.find(c, page)
		if refused != nil {
			return nil, refused
		}
		for i := range found {
			if found[i].Ref.Compare(held.Ref) < 0 {
				return first, nil
			}
			if found[i].Record.Lifts == held.Ref {
				first = &found[i]
			}
		}
		if len(found) < maxPage {
			return first, nil
		}
		page.Before = found[len(found)-1].Ref
	}
}

func answered(w *written, refused *Problem) (*receiptReply, *Problem) {
	if refused != nil {
		return nil, refused
	}
	return &receiptReply{Replayed: replayed(w.replayed), Body: w.Receipt}, nil
}
