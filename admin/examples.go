package admin

import (
	"time"

	"curfew.dev/curfew/node"
)

// The examples of the document are values of the types that are sent, so that
// they can't fall behind them.

var exampleInstant = time.Date(2026, 11, 20, 10, 0, 0, 123e6, time.UTC)

const exampleIssuer = "https://login.example.com"

var (
	exampleBlock   = blockRequest{Target: exampleRequest.Target, Motive: Motive{Reason: "account taken over"}}
	exampleStepUp  = stepUpRequest{Target: exampleRequest.Target, ACR: []string{"mfa"}, Routes: "sensitive"}
	examplePreview = previewReply{
		PreviewID: "prv_9b2f6c1d0a7e48538f4f2a61c3d5e7b9", ExpiresAt: *node.NewTime(exampleInstant.Add(previewAge)),
		Target: exampleRequest.Target, Mode: "sign_in", At: *node.NewTime(exampleInstant),
		Accounts: 1, Sessions: 3, Devices: 2, LiveRequests: 2, ExemptClients: []string{"xbox-console"}, Limits: []string{},
	}
	exampleImported = imported{Line: 1, Status: 201, ID: "rev_7.1042.0", Position: "7.1042"}
)

// exampleOf is the receipt of another record of the same story.
func exampleOf(change func(*node.Receipt)) node.Receipt {
	r := exampleReceipt
	r.Mode, r.At, r.ExemptClients, r.Reason = "", nil, []string{}, ""
	change(&r)
	return r
}

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
