package admin

import (
	"errors"

	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
)

// explain judges a token as the guards would. Neither the token nor an error
// that might repeat it is logged or answered.
func (a *api) explain(c *call, in *bodyOf[explainRequest]) (*replyOf[Explanation], *Problem) {
	if a.Explain == nil {
		return nil, notAvailable.because("explanations are not configured")
	}
	out, err := a.Explain(c.request.Context(), in.Body.Token, in.Body.Policies)
	switch {
	case errors.Is(err, ErrUnknownPolicy):
		return nil, unknownPolicy.at("/policies", "%s", err)
	case err != nil:
		return nil, internalError.because("the token could not be judged now; retry later")
	}
	if out.Rules == nil {
		out.Rules = []policy.Tried{}
	}
	return &replyOf[Explanation]{out}, nil
}

// nodesReply is every node that was heard of.
type nodesReply struct {
	Items    []node.Status `json:"items" nullable:"false"`
	Expected int           `json:"expected,omitempty" doc:"How many there should be, where expect_nodes says so"`
}

func (a *api) nodes(*call, *struct{}) (*replyOf[nodesReply], *Problem) {
	return &replyOf[nodesReply]{nodesReply{Items: append([]node.Status{}, a.Node.Nodes()...), Expected: a.ExpectNodes}}, nil
}
