package node

// FactsElsewhere are the bits that other nodes have told of an issuer. The bits
// of a node are forgotten some minutes after its last heartbeat.
func (n *Node) FactsElsewhere(issuer string) uint64 { return n.peers.facts(issuer) }
