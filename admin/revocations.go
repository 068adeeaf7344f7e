package admin

import (
	"net/http"
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// revocationRequest asks for a cut, or for what one would hit.
type revocationRequest struct {
	Target        Target `json:"target"`
	Mode          string `json:"mode,omitempty" enum:"sign_in,refresh,final" doc:"Default: final for one token or key, else sign_in"`
	At            string `json:"at,omitempty" format:"date-time" doc:"Refuse credentials from before this instant, which can only be earlier than the default: now, or the newest sign-in and record that the gateway knows of, where its clock is behind"`
	IncludeExempt bool   `json:"include_exempt,omitempty" doc:"Hit exempt clients too"`
	Patience
	Motive
	Confirmation
}

func (a *api) registerRevocations() {
	const tag = "Revocations"
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "revoke", Method: http.MethodPost, Path: "/v1/revocations", Tag: tag, Status: http.StatusCreated,
		Summary: "Refuse credentials of a target from before an instant",
		Details: "Answers once the cut is durable and in force on this node, and on every other one or after wait. Targets that may hit more than one account " +
			"({iss, device_id}, {iss, tenant}, {iss, client_id}, {iss}, {iss, kid}) take the role break_glass and a preview_id.",
		Refusals: append([]httpapi.Kind{invalidMode, previewRequired, previewExceeded}, onTarget...),
		Request:  exampleRequest, Reply: exampleReceipt,
	}), a.revoke)
	httpapi.Add(a.http, httpapi.Operation{
		ID: "receipt", Method: http.MethodGet, Path: "/v1/revocations/{id}", Shape: recordID, Tag: tag, Role: Read, Status: http.StatusOK,
		Summary: "The receipt of a revocation as it stands now", Refusals: []httpapi.Kind{httpapi.NotFound, ledgerUnavailable, ledgerDamaged},
		Reply: exampleReceipt,
	}, a.revocation)
}

var exampleRequest = revocationRequest{
	Target: Target{Issuer: exampleIssuer, Subject: "alice"},
	Motive: Motive{Reason: "lost phone", OnBehalfOf: "agent-42"},
}

var exampleReceipt = node.Receipt{
	ID: "rev_7.1042.0", Position: "7.1042", Target: &revocation.Target{Issuer: exampleIssuer, Subject: "alice"},
	Mode: "sign_in", At: node.NewTime(exampleInstant), Source: "admin", Actor: "helpdesk", OnBehalfOf: "agent-42", Reason: "lost phone",
	ExemptClients: []string{"xbox-console"}, Limits: []string{}, Durability: "verified",
	Enforcement: node.Enforcement{
		State: "enforced", EnforcedBy: node.NewTime(exampleInstant.Add(4 * time.Millisecond)), LiveRequestsCut: 2,
		Nodes: []node.NodeReceipt{{
			Node: "edge-1/k3f9", State: "enforced", EnforcedAt: node.NewTime(exampleInstant.Add(4 * time.Millisecond)), LiveRequestsCut: 2,
		}},
	},
}

// revoke makes a cut durable and in force.
func (a *api) revoke(c *httpapi.Call, in *httpapi.Body[revocationRequest]) (*created, *Problem) {
	p, refused := a.planCut(c, &in.Body)
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
