package admin

import "curfew.dev/curfew/node"

// nodesReply is every node that was heard of.
type nodesReply struct {
	Items    []node.Status `json:"items" nullable:"false"`
	Expected int           `json:"expected,omitempty" doc:"How many there should be, where expect_nodes says so"`
}

func (a *api) nodes(*call, *struct{}) (*replyOf[nodesReply], *Problem) {
	return &replyOf[nodesReply]{nodesReply{Items: append([]node.Status{}, a.Nodes()...), Expected: a.ExpectNodes}}, nil
}
