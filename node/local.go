package node

import (
	"context"
	"errors"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// runLocal replays a ledger that this node alone writes, then watches over it
// and lets expired cuts go.
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

// begin makes the node ready that has read its ledger.
func (n *Node) begin(now time.Time) {
	n.mu.Lock()
	n.replayed = n.followed
	n.mu.Unlock()
	n.ready.Store(&now)
	n.become(Ready, nil)
}

// keepUp applies what became durable without an answer, however late: whoever
// wrote it has not, and was told that its outcome is unknown. Past is where the
// ledger ended a while ago; what came since is still on its way through Submit.
// The error is one that the node can't serve with.
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
