package admin

import (
	"errors"
	"net/http"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
)

type explainRequest struct {
	Token    string   `json:"token" minLength:"1" maxLength:"65536" doc:"An access token, or the session cookie of a browser; it is neither logged nor kept"`
	Policies []string `json:"policies,omitempty" nullable:"false" maxItems:"64" doc:"Policies of the route"`
}

func (a *api) registerAnswers() {
	const tag = "Gateway"
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "explain", Path: "/v1/explain", Tag: tag,
		Summary:  "How a token would fare, and why",
		Refusals: []httpapi.Kind{unknownPolicy, httpapi.NotAvailable}, Request: exampleExplain, Reply: exampleExplanation,
	}), a.explain)
	httpapi.Add(a.http, httpapi.Operation{
		ID: "nodes", Method: http.MethodGet, Path: "/v1/nodes", Tag: tag, Role: Read, Status: http.StatusOK,
		Summary: "Every node and how fresh it is", Reply: exampleNodes,
	}, a.nodes)
}

var exampleExplain = explainRequest{Token: "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9…", Policies: []string{"billing"}}

var exampleExplanation = Explanation{Decision: "refuse", Reason: "signed-out", Rules: []policy.Tried{{
	Rule: "sign_in_cut", Outcome: "refuse", Reason: "signed-out",
	Inputs: map[string]any{"auth_time": 1795168000, "through": 1795168802, "record": "rev_7.1042.0"},
}}}

var exampleNodes = nodesReply{Items: []node.Status{{
	Node: "edge-1/k3f9", State: "ready", Position: "7.1042", Epoch: 7, Version: "v1.0.0",
	ConfigDigest: "5d41402abc4b2a76", Format: 1, LastHeard: node.NewTime(exampleInstant), SealingKeys: []string{"b1Kd2gQ7"},
	Issuers: []ledger.IssuerStatus{{Issuer: exampleIssuer, Ready: true}},
}}, Expected: 1}

// explain judges a token as the guards would. Neither the token nor an error
// that might repeat it is logged or answered.
func (a *api) explain(c *httpapi.Call, in *httpapi.Body[explainRequest]) (*httpapi.Reply[Explanation], *Problem) {
	if a.Explain == nil {
		return nil, httpapi.NotAvailable.Because("explanations are not configured")
	}
	out, err := a.Explain(c.Request.Context(), in.Body.Token, in.Body.Policies)
	switch {
	case errors.Is(err, ErrUnknownPolicy):
		return nil, unknownPolicy.At("/policies", "%s", err)
	case err != nil:
		return nil, httpapi.Internal.Because("the token could not be judged now; retry later")
	}
	if out.Rules == nil {
		out.Rules = []policy.Tried{}
	}
	return &httpapi.Reply[Explanation]{Body: out}, nil
}

// nodesReply is every node that was heard of.
type nodesReply struct {
	Items    []node.Status `json:"items" nullable:"false"`
	Expected int           `json:"expected,omitempty" doc:"How many there should be, where expect_nodes says so"`
}

func (a *api) nodes(*httpapi.Call, *struct{}) (*httpapi.Reply[nodesReply], *Problem) {
	return &httpapi.Reply[nodesReply]{Body: nodesReply{Items: append([]node.Status{}, a.Node.Nodes()...), Expected: a.ExpectNodes}}, nil
}
