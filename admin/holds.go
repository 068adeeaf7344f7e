package admin

import (
	"net/http"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

type blockRequest struct {
	Target Target `json:"target"`
	Patience
	Motive
	Confirmation
}

type stepUpRequest struct {
	Target Target   `json:"target"`
	ACR    []string `json:"acr,omitempty" nullable:"false" maxItems:"16" doc:"Any of these authentication contexts" example:"[\"mfa\"]"`
	AMR    []string `json:"amr,omitempty" nullable:"false" maxItems:"16" doc:"Any of these authentication methods"`
	Routes string   `json:"routes,omitempty" enum:"all,sensitive" default:"all" doc:"Where it is demanded"`
	Patience
	Motive
	Confirmation
}

func (a *api) registerHolds() {
	holds := append([]httpapi.Kind{previewRequired, previewExceeded}, onTarget...)
	const blocks, stepUps = "Blocks", "Step-ups"
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "block", Method: http.MethodPost, Path: "/v1/blocks", Tag: blocks, Status: http.StatusCreated,
		Summary: "Refuse a target until the block is lifted", Refusals: holds, Request: exampleBlock, Reply: exampleBlocked(),
	}), a.block)
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "unblock", Method: http.MethodDelete, Path: "/v1/blocks/{id}", Shape: recordID, Tag: blocks, Status: http.StatusOK,
		Summary: "Lift a block, for good", Details: "Other blocks of the target hold. Lifting again answers with the first lift.",
		Refusals: []httpapi.Kind{httpapi.NotFound}, Reply: exampleLift(),
	}), a.unblock)
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "step-up", Method: http.MethodPost, Path: "/v1/step-ups", Tag: stepUps, Status: http.StatusCreated,
		Summary:  "Demand a newer, and a stronger, authentication of a target",
		Details:  "From now on each credential of the target must show an auth_time after this instant and, where given, any of acr and any of amr.",
		Refusals: holds, Request: exampleStepUp, Reply: exampleSteppedUp(),
	}), a.stepUp)
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "lift-step-up", Method: http.MethodDelete, Path: "/v1/step-ups/{id}", Shape: recordID, Tag: stepUps, Status: http.StatusOK,
		Summary: "Lift a step-up, for good", Refusals: []httpapi.Kind{httpapi.NotFound}, Reply: exampleLift(),
	}), a.liftStepUp)
}

var exampleBlock = blockRequest{Target: exampleRequest.Target, Motive: Motive{Reason: "account taken over"}}

var exampleStepUp = stepUpRequest{Target: exampleRequest.Target, ACR: []string{"mfa"}, Routes: "sensitive"}

func exampleBlocked() node.Receipt {
	return exampleOf(func(r *node.Receipt) { r.ID, r.Reason = "blk_7.1042.0", "account taken over" })
}

func exampleSteppedUp() node.Receipt {
	return exampleOf(func(r *node.Receipt) {
		r.ID, r.ACR, r.Routes, r.At = "stp_7.1042.0", []string{"mfa"}, "sensitive", node.NewTime(exampleInstant)
	})
}

func exampleLift() node.Receipt {
	return exampleOf(func(r *node.Receipt) { r.ID, r.Position, r.Lifts = "lft_7.1050.0", "7.1050", "blk_7.1042.0" })
}

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
	d := in.Body.draft(revocation.Block, in.Body.Target)
	p, refused := a.planHold(c, d, in.Body.Patience, in.Body.Confirmation)
	if refused != nil {
		return nil, refused
	}
	return answered(a.execute(c, p))
}

func (a *api) stepUp(c *httpapi.Call, in *httpapi.Body[stepUpRequest]) (*receiptReply, *Problem) {
	d := in.Body.draft(revocation.StepUp, in.Body.Target)
	d.ACR, d.AMR, d.Sensitive = in.Body.ACR, in.Body.AMR, in.Body.Routes == "sensitive"
	p, refused := a.planHold(c, d, in.Body.Patience, in.Body.Confirmation)
	if refused != nil {
		return nil, refused
	}
	return answered(a.execute(c, p))
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

// lift ends a block or step-up for good. Any caller with the role that beginning
// it took may lift it. If it is lifted already it stays lifted, and the receipt of
// the first lift is returned.
func (a *api) lift(c *httpapi.Call, t revocation.Type, in *liftByID) (*receiptReply, *Problem) {
	wait, refused := parseWait("", in.Wait)
	if refused != nil {
		return nil, refused
	}
	held, refused := a.record(c, t, in.ID)
	if refused != nil {
		return nil, refused
	}
	if p := c.Needs(roleFor(held.Record.Target)); p != nil {
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
	return answered(a.write(c, revocation.NewLift(author(c), a.Now(), held.Ref), wait))
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
