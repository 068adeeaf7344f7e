package node

// FactsElsewhere are the bits that other nodes have told of an issuer. What a
// node told is forgotten some minutes after it was heard last.
func (n *Node) FactsElsewhere(issuer string) uint64 { return n.peers.facts(issuer) }
