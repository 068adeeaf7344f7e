package node

import (
	"context"
	"errors"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// runLocal replays a ledger that only this node writes, then watches it and lets
// expired cuts go.
func (n *Node) runLocal(ctx context.Context, l ledger.Ledger) {
	if err := n.readOn(ctx); err != nil {
		if ctx.Err() == nil {
			n.become(Damaged, err)
		}
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	now := n.cfg.Now()
	n.index.Expire(now.Unix())
	n.begin(now)
	expired := now
	head := l.Head().Position
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := n.keepUp(ctx, l, head); err != nil {
			n.become(Damaged, err)
			return
		}
		head = l.Head().Position
		if now = n.cfg.Now(); now.Sub(expired) >= expireEvery {
			n.index.Expire(now.Unix())
			expired = now
		}
	}
}

// begin makes a node ready that has read its ledger.
func (n *Node) begin(now time.Time) {
	n.mu.Lock()
	n.replayed = n.followed
	n.mu.Unlock()
	n.ready.Store(&now)
	n.become(Ready, nil)
}

// keepUp applies entries that became durable after their Submit had returned with
// an unknown outcome. Past is where the ledger ended a second ago: later entries
// are still in Submit. After an error the node can't serve.
func (n *Node) keepUp(ctx context.Context, l ledger.Ledger, past revocation.Position) error {
	if err := l.Err(); err != nil {
		return err
	}
	if n.has(past) {
		return nil
	}
	if err := n.readOn(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ledger.ErrUnavailable) {
		return err
	}
	return nil
}
