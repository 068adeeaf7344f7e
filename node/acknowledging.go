package node

import (
	"context"
	"sync"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// acknowledging tells the writers of entries how far this node enforces. It sends
// the first acknowledgement at once, and collects the next ones for a moment. A
// lost one costs nothing: the position is in the next heartbeat, and a node that
// asks is told the counts.
type acknowledging struct {
	node string
	tell func(writer string, a ledger.Acknowledgement) error

	more    chan struct{} // holds one: there is something to tell
	telling sync.Mutex    // held for a round, so that rounds don't overlap

	mu      sync.Mutex
	at      revocation.Position
	waiting map[string][]ledger.CutCount // by writer
}

// ackGap is the pause between two rounds of acknowledgements. Each writer adds
// ackGapWriter to it, so that the traffic of a node is bounded.
const (
	ackGap        = 10 * time.Millisecond
	ackGapWriter  = 2 * time.Millisecond
	longestAckGap = 200 * time.Millisecond
)

func newAcknowledging(node string, tell func(string, ledger.Acknowledgement) error) *acknowledging {
	return &acknowledging{node: node, tell: tell, more: make(chan struct{}, 1), waiting: make(map[string][]ledger.CutCount)}
}

// add notes that everything up to a position is enforced, and what the last
// entry of it cut.
func (a *acknowledging) add(writer string, at revocation.Position, cut []ledger.CutCount) {
	a.mu.Lock()
	a.at = at
	a.waiting[writer] = append(a.waiting[writer], cut...)
	a.mu.Unlock()
	select {
	case a.more <- struct{}{}:
	default:
	}
}

// run tells until ctx ends.
func (a *acknowledging) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.more:
		}
		time.Sleep(min(max(ackGap, time.Duration(a.round())*ackGapWriter), longestAckGap))
	}
}

// round tells all writers that wait, and returns how many those were.
func (a *acknowledging) round() int {
	a.telling.Lock()
	defer a.telling.Unlock()
	a.mu.Lock()
	at, waiting := a.at, a.waiting
	a.waiting = make(map[string][]ledger.CutCount)
	a.mu.Unlock()
	for writer, cut := range waiting {
		_ = a.tell(writer, ledger.Acknowledgement{Node: a.node, Position: at, Cut: cut})
	}
	return len(waiting)
}
