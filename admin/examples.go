package admin

import (
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// The examples of the document are values of the types that are sent, so that
// they can't fall behind them.

var exampleInstant = time.Date(2026, 11, 20, 10, 0, 0, 123e6, time.UTC)

const exampleIssuer = "https://login.example.com"

var (
	exampleRequest = revocationRequest{
		Target: Target{Issuer: exampleIssuer, Subject: "alice"},
		Motive: Motive{Reason: "lost phone", OnBehalfOf: "agent-42"},
	}
	exampleBlock    = blockRequest{Target: exampleRequest.Target, Motive: Motive{Reason: "account taken over"}}
	exampleStepUp   = stepUpRequest{Target: exampleRequest.Target, ACR: []string{"mfa"}, Routes: "sensitive"}
	exampleUnlink   = unlinkRequest{Issuer: exampleIssuer, Subject: "alice", Device: "pc-7f", Reason: "sold"}
	exampleSearch   = searchRequest{Issuer: exampleIssuer, Subject: "alice", Paging: httpapi.Paging{Limit: 100}}
	exampleSessions = sessionsRequest{Issuer: exampleIssuer, Subject: "alice", Paging: httpapi.Paging{Limit: 100}}

	exampleReceipt = node.Receipt{
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
	examplePreview = previewReply{
		PreviewID: "prv_9b2f6c1d0a7e48538f4f2a61c3d5e7b9", ExpiresAt: *node.NewTime(exampleInstant.Add(previewAge)),
		Target: exampleRequest.Target, Mode: "sign_in", At: *node.NewTime(exampleInstant),
		Accounts: 1, Sessions: 3, Devices: 2, LiveRequests: 2, ExemptClients: []string{"xbox-console"}, Limits: []string{},
	}
	exampleExplain     = explainRequest{Token: "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9…", Policies: []string{"billing"}}
	exampleExplanation = Explanation{Decision: "refuse", Reason: "signed-out", Rules: []policy.Tried{{
		Rule: "sign_in_cut", Outcome: "refuse", Reason: "signed-out",
		Inputs: map[string]any{"auth_time": 1795168000, "through": 1795168802, "record": "rev_7.1042.0"},
	}}}
	exampleNodes = nodesReply{Items: []node.Status{{
		Node: "edge-1/k3f9", State: "ready", Position: "7.1042", Epoch: 7, Version: "v1.0.0",
		ConfigDigest: "5d41402abc4b2a76", Format: 1, LastHeard: node.NewTime(exampleInstant),
		Issuers: []ledger.IssuerStatus{{Issuer: exampleIssuer, Ready: true}},
	}}, Expected: 1}
	exampleImported = imported{Line: 1, Status: 201, ID: "rev_7.1042.0", Position: "7.1042"}
)

const exampleEvents = "id: 7.1042\nevent: revocation\ndata: {\"id\":\"rev_7.1042.0\",…}\n\n"

func exampleReceipts() httpapi.Page[node.Receipt] {
	cursor := "AAAAAAAAAAcAAAAAAAAEEgAAH0m2Xk1vU8yQ5b7cN3dKgA"
	return httpapi.Page[node.Receipt]{Items: []node.Receipt{exampleReceipt}, NextCursor: &cursor}
}

func exampleSeen() sessionsReply {
	signedIn := exampleInstant.Truncate(time.Second).Add(-time.Hour)
	return sessionsReply{Node: "edge-1/k3f9", Items: []session{{
		Session: "08a5019c-17e1-4977", Client: "web", Device: "pc-7f", SignedIn: node.NewTime(signedIn),
		FirstSeen: *node.NewTime(signedIn.Add(700 * time.Millisecond)), LastSeen: *node.NewTime(exampleInstant),
		LiveRequests: 2, State: active,
	}}}
}

func exampleHeld(r node.Receipt) httpapi.Page[heldReceipt] {
	return httpapi.Page[heldReceipt]{Items: []heldReceipt{{r, "in_force"}}}
}

// exampleOf is the receipt of another record of the same story.
func exampleOf(change func(*node.Receipt)) node.Receipt {
	r := exampleReceipt
	r.Mode, r.At, r.ExemptClients, r.Reason = "", nil, []string{}, ""
	change(&r)
	return r
}

func exampleUnlinked() node.Receipt {
	r := exampleReceipt
	r.Target = &revocation.Target{Issuer: exampleIssuer, Subject: "alice", Device: "pc-7f"}
	r.Reason, r.OnBehalfOf, r.ExemptClients = "sold", "", []string{}
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
