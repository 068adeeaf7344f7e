package node

import (
	"context"

	"curfew.dev/curfew/ledger"
)

// runShared replays this node's copy of a ledger that several share, and then
// follows it until ctx ends or it can't be trusted.
func (n *Node) runShared(ctx context.Context, l ledger.Shared) error {
	n.become(Starting, errUnproven)
	if err := n.readOn(ctx); err != nil {
		return err
	}
	n.index.Expire(n.cfg.Now().Unix())
	f := newFollower(n, l)
	n.follower.Store(f)
	err := f.run(ctx)
	if ctx.Err() == nil {
		n.become(Damaged, err)
		f.say(n.cfg.Now()) // no other node needs to wait for this one any more
	}
	n.follower.Store(nil)
	return err
}

// abandon closes a ledger that can't be trusted. The index stays as it is, so
// that nothing is un-revoked.
func (n *Node) abandon(l ledger.Shared, why error) {
	n.become(Damaged, why)
	n.log.Store(nil)
	_ = l.Close() // it is damaged already
	n.fresh.forget()
	n.forget()
}
