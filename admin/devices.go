package admin

import (
	"net/http"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

type unlinkRequest struct {
	Issuer  string `json:"iss" minLength:"1"`
	Subject string `json:"sub" minLength:"1"`
	Device  string `json:"device_id" minLength:"1"`
	Reason  string `json:"reason,omitempty"`
	Patience
}

func (a *api) registerDevices() {
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "unlink", Method: http.MethodPost, Path: "/v1/devices/unlink", Tag: "Devices", Status: http.StatusCreated,
		Summary:  "Sign a device of an account out",
		Details:  "The same as revoking {iss, sub, device_id}: the found phone may sign in again.",
		Refusals: onTarget, Request: exampleUnlink, Reply: exampleUnlinked(),
	}), a.unlink)
}

var exampleUnlink = unlinkRequest{Issuer: exampleIssuer, Subject: "alice", Device: "pc-7f", Reason: "sold"}

func exampleUnlinked() node.Receipt {
	r := exampleReceipt
	r.Target = &revocation.Target{Issuer: exampleIssuer, Subject: "alice", Device: "pc-7f"}
	r.Reason, r.OnBehalfOf, r.ExemptClients = "sold", "", []string{}
	return r
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
