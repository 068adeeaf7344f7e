package node

import (
	"time"

	"curfew.dev/curfew/revocation"
)

// Replay is how far a node has read its ledger at the start: the sequence of the
// newest entry that it has read, and that of the last one.
type Replay struct{ At, Of uint64 }

// Replay returns how far the ledger is read, and whether it is being read.
func (n *Node) Replay() (Replay, bool) {
	if r := n.replay.Load(); r != nil && n.State() == Starting {
		return *r, true
	}
	return Replay{}, false
}

const (
	// replayStep is after how many entries the progress is looked at.
	replayStep = 1 << 12
	// replayTold is how long a replay takes before it is told, and told again.
	replayTold = 5 * time.Second
)

// replaying tells of the progress of one read.
type replaying struct {
	node *Node
	head revocation.Position
	read int
	told time.Time
}

func (n *Node) replaying(head revocation.Position) *replaying {
	n.replay.Store(&Replay{Of: head.Sequence})
	return &replaying{node: n, head: head, told: n.cfg.Now()}
}

func (r *replaying) passed(at revocation.Position) {
	if r.read++; r.read%replayStep != 0 {
		return
	}
	now := Replay{At: at.Sequence, Of: max(at.Sequence, r.head.Sequence)}
	r.node.replay.Store(&now)
	if clock := r.node.cfg.Now(); clock.Sub(r.told) >= replayTold {
		r.told = clock
		r.node.cfg.Observer.Replayed(now)
	}
}
