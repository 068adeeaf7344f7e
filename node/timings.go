package node

import (
	"slices"
	"sync"
	"time"

	"curfew.dev/curfew/revocation"
)

// mostTimed bounds the records whose way to every node is timed at once. More
// are not timed.
const mostTimed = 1 << 12

// timings remembers when records were accepted that not every node enforces.
// The zero value is ready.
type timings struct {
	mu sync.Mutex
	of []timing
}

type timing struct {
	pos      revocation.Position
	accepted time.Time
}

func (t *timings) start(pos revocation.Position, accepted time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.of) < mostTimed {
		t.of = append(t.of, timing{pos, accepted})
	}
}

func (t *timings) any() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.of) > 0
}

// passed takes out the records up to a position, and returns when they were
// accepted.
func (t *timings) passed(at revocation.Position) (accepted []time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of = slices.DeleteFunc(t.of, func(w timing) bool {
		passed := w.pos.Compare(at) <= 0
		if passed {
			accepted = append(accepted, w.accepted)
		}
		return passed
	})
	return accepted
}
