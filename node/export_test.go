package node

import (
	"strconv"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// NeedFormat gives every record that the node writes from now on a format.
func (n *Node) NeedFormat(format int) {
	n.formatOf = func(*revocation.Record) int { return format }
}

// Prove makes a node ready as if a nonce of now had come back.
func (n *Node) Prove(now time.Time) {
	n.fresh.echoed(n.fresh.next(now).nonce)
	n.become(Ready, nil)
}

// FollowerOf is the follower of a node in a fleet, with nothing behind it.
func (n *Node) FollowerOf(nodes int) (f ledger.Follower, stop func()) {
	of := newFollower(n, struct{ ledger.Shared }{})
	of.settled = true
	tick := ledger.Tick{}
	for i := range nodes {
		tick.Echoes = append(tick.Echoes, ledger.Echo{Node: strconv.Itoa(i), Nonce: 1, MaxStaleness: time.Hour})
	}
	n.peers.ticked(&tick, n.ID(), time.Now())
	n.follower.Store(of)
	for range cutters {
		of.background.Go(of.cuts.run)
	}
	return of, func() { of.cuts.stop(); of.background.Wait(); n.follower.Store(nil) }
}

// EnforcedThrough is what a heartbeat says.
func (n *Node) EnforcedThrough() revocation.Position { return n.follower.Load().enforced.passed() }
