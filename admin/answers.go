package admin

import (
	"errors"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
)

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
