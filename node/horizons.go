package node

import (
	"fmt"
	"time"

	"curfew.dev/curfew/ledger"
)

// horizons compares the horizons that expired cuts leave in this node's index with
// those of other nodes. Nodes let cuts expire at different moments. So they compare
// the horizons that there would be at a tick, by the tick's own stamp, which follow
// from the log alone. The zero value has nothing to compare.
type horizons struct {
	here   [64]ledger.Horizons // at ticks, by Tick
	newest ledger.Horizons
	// differs says that a node which has read as much of the log had something
	// else. It holds until one agrees, or another epoch begins.
	differs error
	by      ledger.Horizons // of that node
	// until is when a node that entered behind a trim, and hears one that has read
	// more, no longer waits for the first comparison. agreed is the newest epoch
	// in which there was one.
	until  time.Time
	agreed uint64
}

// comparesWithin is how many intervals a node waits for its first comparison.
const comparesWithin = 3

// ticked notes this node's horizons at a tick, and compares the writer's at an
// earlier one. It reports whether the writer differs and has read less of the log,
// so that it should be told. The node waits for its first comparison until an
// instant.
func (h *horizons) ticked(t *ledger.Tick, here ledger.Horizons, own bool, until time.Time) (tell bool) {
	if here.Epoch > h.by.Epoch {
		h.differs = nil
	}
	if theirs := t.Horizons; theirs != nil && !own && theirs.Epoch == here.Epoch {
		tell = h.compare(t.By, theirs)
		if h.until.IsZero() && here.Entered > 0 && theirs.Entered <= here.Entered {
			h.until = until
		}
	}
	if t.Sequence > t.Entered { // before, it has not read everything
		h.here[here.Tick%uint64(len(h.here))], h.newest = here, here
	}
	return tell
}

func (h *horizons) compare(writer string, theirs *ledger.Horizons) (tell bool) {
	mine := h.here[theirs.Tick%uint64(len(h.here))]
	switch {
	case theirs.Tick == 0 || mine.Tick != theirs.Tick || mine.Epoch != theirs.Epoch:
		return false // it is about a tick that this node does not remember
	case theirs.Entered > mine.Entered:
		return mine.Digest != theirs.Digest
	case mine.Digest != theirs.Digest:
		h.differ(writer, theirs)
	case theirs.Entered <= h.by.Entered || h.differs == nil:
		h.differs, h.agreed = nil, mine.Epoch
	}
	return false
}

func (h *horizons) differ(writer string, theirs *ledger.Horizons) {
	if h.differs != nil {
		return // told once: the text must not change from moment to moment
	}
	h.by = *theirs
	h.differs = fmt.Errorf("%w: expired sign-outs have left something else behind at %s than at this node, and it has read as much of the log; `caddy curfew adopt` on a node that is ready begins a new epoch with what all nodes have",
		ledger.ErrIntegrity, writer)
}

// waits reports whether the first comparison is still to come.
func (h *horizons) waits(now time.Time) bool {
	return now.Before(h.until) && h.newest.Entered > 0 && h.agreed != h.newest.Epoch
}

// say returns the horizons for a tick of this node, nil while it differs itself.
func (h *horizons) say() *ledger.Horizons {
	if h.differs != nil || h.newest.Tick == 0 {
		return nil
	}
	said := h.newest
	return &said
}

// compareHorizons takes the horizons of a tick.
func (f *follower) compareHorizons(t *ledger.Tick) {
	if t.Sequence == 0 {
		return
	}
	n := f.node
	here := ledger.Horizons{
		Epoch: n.Applied().Epoch, Tick: t.Sequence, Entered: t.Entered,
		Digest: n.index.Horizons(t.Stamp.Unix()).Digest(),
	}
	now := n.cfg.Now()
	until := now.Add(comparesWithin * n.settings.Load().interval())
	f.mu.Lock()
	defer f.mu.Unlock()
	tell := f.horizons.ticked(t, here, t.By == n.ID(), until)
	switch {
	case f.horizons.differs != nil, f.horizons.waits(now):
		f.ticks.mine = false // others should tick: their horizons can be compared
	case tell:
		f.ticks.contradict = true
		f.lookNow()
	}
}

// compared returns why this node may not serve: its horizons differ from those of
// another, or it waits for the first comparison.
func (f *follower) compared(now time.Time) (differs error, waits bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.horizons.differs, f.horizons.waits(now)
}
