package node

import (
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/live"
	"curfew.dev/curfew/revocation"
)

// enforcement is how an entry came into force.
type enforcement struct {
	since time.Time
	cut   []int // live requests that each record cut here; nil: none of them any
	own   bool  // this node wrote it
	// roster is the nodes that could be admitting without it when it was applied;
	// nil: they are not known, or there are none.
	roster    *roster
	elsewhere []cutAt // the counts of other nodes
}

type cutAt struct {
	node  string
	item  uint16
	count int
}

// cutBy is how many live requests a record has cut on a node.
func (e *enforcement) cutBy(node string, item uint16) int {
	total := 0
	for _, c := range e.elsewhere {
		if c.node == node && c.item == item {
			total += c.count
		}
	}
	return total
}

// remembered is how many writes of this instance have an exact instant of
// enforcement in their receipts.
const remembered = 1 << 16

// remember notes that the entry at pos is in the index, and since when. The
// caller holds mu.
func (n *Node) remember(pos revocation.Position, e enforcement) {
	if n.enforced == nil {
		n.enforced = make(map[revocation.Position]enforcement)
	}
	if _, twice := n.enforced[pos]; twice {
		return
	}
	if len(n.written) == remembered {
		for _, old := range n.written[:remembered/2] {
			delete(n.enforced, old)
		}
		n.written = append(n.written[:0], n.written[remembered/2:]...)
	}
	n.enforced[pos] = e
	n.written = append(n.written, pos)
	n.advance()
	n.wake()
}

// advance moves followed over entries that were applied out of order, as writers
// of a local ledger overtake one another. The caller holds mu.
func (n *Node) advance() {
	for {
		next := revocation.Position{Epoch: n.followed.Epoch, Sequence: n.followed.Sequence + 1}
		if _, applied := n.enforced[next]; !applied {
			return
		}
		n.followed = next
	}
}

// applied notes an entry of a shared ledger, whose entries come in order. It
// reports whether the node was ever ready, because no request is live before.
func (n *Node) applied(pos revocation.Position, e enforcement) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.followed = pos
	e.elsewhere = n.early[pos]
	delete(n.early, pos)
	if State(n.state.Load()) == Starting {
		return false
	}
	n.remember(pos, e)
	return true
}

// cut ends the live requests that an entry refuses, which may take a while.
func (n *Node) cut(e revocation.Entry) {
	for i := range e.Records {
		if cut := n.end(&e.Records[i]); cut > 0 {
			n.count(revocation.Ref{Position: e.Position, Item: uint16(i)}, len(e.Records), cut)
		}
	}
}

// end ends the live requests that a record refuses, and returns how many.
func (n *Node) end(r *revocation.Record) int {
	switch r.Type {
	case revocation.Cut, revocation.Block, revocation.StepUp:
		return n.cfg.Live.Cut(r.Target)
	case revocation.Genesis: // it has no target, and signs out everybody
		if r.Through > 0 {
			return n.cfg.Live.CutAll(live.Changed)
		}
	}
	return 0
}

// count adds to the live requests that a record of an entry has cut. Each
// request is cut once, whoever else may be enforcing the same entry.
func (n *Node) count(ref revocation.Ref, records, cut int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, known := n.enforced[ref.Position]
	if !known {
		return // more than remembered were written since
	}
	if e.cut == nil {
		e.cut = make([]int, records)
		n.enforced[ref.Position] = e
	}
	e.cut[ref.Item] += cut
}

// counts are the records of an entry that cut something here.
func (n *Node) counts(pos revocation.Position) []ledger.CutCount {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []ledger.CutCount
	for i, cut := range n.enforced[pos].cut {
		if cut > 0 {
			all = append(all, ledger.CutCount{Ref: revocation.Ref{Position: pos, Item: uint16(i)}, Count: cut})
		}
	}
	return all
}

// mostEarly bounds the entries whose counts are kept before the entry itself is
// read. A node has no more entries of its own under way.
const mostEarly = 1 << 14

// cutElsewhere takes the counts of another node for records that this one wrote.
// They may come before this node has read the entry itself.
func (n *Node) cutElsewhere(node string, counts []ledger.CutCount) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range counts {
		pos, cut := c.Ref.Position, cutAt{node, c.Ref.Item, c.Count}
		if e, known := n.enforced[pos]; known {
			e.elsewhere = append(e.elsewhere, cut)
			n.enforced[pos] = e
		} else if pos.Compare(n.followed) > 0 && len(n.early) < mostEarly {
			if n.early == nil {
				n.early = make(map[revocation.Position][]cutAt)
			}
			n.early[pos] = append(n.early[pos], cut)
		}
	}
}

// enforcementOf is how an entry came into force here, and whether it has. Entries
// from before this instance are enforced since it became ready. The exact time of
// an old write is gone: the time of the next remembered write is the best upper
// bound. An entry that is durable and not applied is not enforced.
func (n *Node) enforcementOf(pos revocation.Position) (enforcement, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ready := n.ready.Load()
	if s := State(n.state.Load()); ready == nil || s != Ready && s != Fenced {
		return enforcement{}, false
	}
	e, known := n.enforced[pos]
	switch {
	case known:
		return e, true
	case pos.Compare(n.replayed) <= 0:
		return enforcement{since: *ready}, true
	case pos.Compare(n.followed) > 0 || len(n.written) == 0:
		return enforcement{}, false
	}
	return enforcement{since: n.enforced[n.written[0]].since}, true
}

// cutBy is how many live requests a record ended here when it was written.
func (n *Node) cutBy(ref revocation.Ref) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if cut := n.enforced[ref.Position].cut; int(ref.Item) < len(cut) {
		return cut[ref.Item]
	}
	return 0
}

// forget drops everything about a ledger that is closed.
func (n *Node) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.followed, n.replayed = revocation.Position{}, revocation.Position{}
	n.enforced, n.written, n.early = nil, nil, nil
	n.ready.Store(nil)
}
