package node

import (
	"context"
	"sync"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// acknowledging tells the writers of entries how far this node enforces: at
// once, and then what has come together meanwhile. What is lost on the way is
// made up for: the position by heartbeats, which come after what was told, the
// counts when somebody asks.
type acknowledging struct {
	node string
	tell func(writer string, a ledger.Acknowledgement) error

	more    chan struct{} // holds one: there is something to tell
	telling sync.Mutex    // a round that has begun is over before the next

	mu      sync.Mutex
	at      revocation.Position
	waiting map[string][]ledger.CutCount // by writer
}

// Between two rounds of acknowledgements lies ackGap, and more where many nodes
// write: what one node sends is bounded.
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

// round tells everybody, and returns how many they were.
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
