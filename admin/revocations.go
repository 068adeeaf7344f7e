package admin

import (
	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// revoke makes a cut durable and in force.
func (a *api) revoke(c *httpapi.Call, in *httpapi.Body[revocationRequest]) (*created, *Problem) {
	p, refused := a.planCut(c, &in.Body)
	if refused != nil {
		return nil, refused
	}
	return a.located(a.execute(c, p))
}

// unlink cuts one device of an account. The found device may sign in again.
func (a *api) unlink(c *httpapi.Call, in *httpapi.Body[unlinkRequest]) (*created, *Problem) {
	p, refused := a.planCut(c, &revocationRequest{
		Target: Target{Issuer: in.Body.Issuer, Subject: in.Body.Subject, Device: in.Body.Device},
		Motive: Motive{Reason: in.Body.Reason}, Patience: in.Body.Patience,
	})
	if refused != nil {
		return nil, refused
	}
	return a.located(a.execute(c, p))
}

// located adds where the receipt of a revocation stands.
func (a *api) located(w *written, refused *Problem) (*created, *Problem) {
	if refused != nil {
		return nil, refused
	}
	return &created{Location: a.Prefix + "/v1/revocations/" + w.ID, Replayed: replayed(w.replayed), Body: w.Receipt}, nil
}

// byID is the input of operations on one record.
type byID struct {
	ID string `path:"id" doc:"The id of a receipt" example:"rev_7.1042.0"`
}

// revocation answers with the receipt as it stands now.
func (a *api) revocation(c *httpapi.Call, in *byID) (*httpapi.Reply[node.Receipt], *Problem) {
	found, refused := a.record(c, revocation.Cut, in.ID)
	if refused != nil {
		return nil, refused
	}
	receipt, err := a.Node.Receipt(c.Request.Context(), found.Ref)
	if err != nil {
		return nil, readProblem(err)
	}
	return &httpapi.Reply[node.Receipt]{Body: a.limited(receipt, &found.Record)}, nil
}
