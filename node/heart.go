package node

import (
	"context"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

const (
	// probeEvery is how often a node that is not ready looks whether the
	// cluster can be reached.
	probeEvery = 20 * time.Millisecond
	// answerEvery is the least time between heartbeats that another node waits for.
	answerEvery = 10 * time.Millisecond
	// longestTick bounds how long a tick may be under way.
	longestTick = 5 * time.Second
	// expireEvery is how often expired cuts are let go.
	expireEvery = 10 * time.Minute
	// silence is how long this node waits for a tick before it tries another way
	// into the cluster. Ticks are a second apart. An election of a leader takes
	// less, and another way would not shorten it.
	silence = 10 * time.Second
)

// heart does the recurring work of a follower.
type heart struct {
	*follower
	said      time.Time // when the last heartbeat was
	saidState State
	connected bool
	expired   time.Time
	// looked is when it looked last, and listens since when it would have noticed
	// a tick.
	looked, listens time.Time
}

// beat keeps the node fresh and its state true until ctx ends: it says how the
// node is, ticks, fences at the deadline.
func (f *follower) beat(ctx context.Context, fail context.CancelCauseFunc) {
	h := heart{follower: f, expired: f.node.cfg.Now()}
	timer := time.AfterFunc(time.Hour, f.lookNow)
	defer timer.Stop()
	f.lookNow()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		if err := f.log.Err(); err != nil {
			fail(err)
			return
		}
		if wait := h.once(ctx).Sub(f.node.cfg.Now()); wait > 0 {
			timer.Reset(wait)
		} else {
			f.lookNow()
		}
	}
}

// once does what is due and returns when there is more.
func (h *heart) once(ctx context.Context) (next time.Time) {
	n := h.node
	now := n.cfg.Now()
	h.settle(now)
	s := n.settings.Load()
	state := State(n.state.Load())
	c := h.log.Connection()
	connected := c.Problem == nil
	if connected && !h.connected || state != h.saidState || now.Sub(h.said) >= s.interval() || h.answers(now) {
		h.said, h.saidState = now, state
		h.say(now)
		n.peers.forget(now)
		h.releaseWaiters(now)
	}
	h.connected = connected
	next = earliest(h.said.Add(s.interval()), h.fence(now, state))
	if h.awaited() {
		next = earliest(next, h.said.Add(answerEvery))
	}
	if state != Ready {
		next = earliest(next, now.Add(probeEvery))
	}
	if now.Sub(h.expired) >= expireEvery {
		n.index.Expire(now.Unix())
		h.expired = now
	}
	h.leaveSilence(now)
	if !connected || c.ReadOnly {
		return next
	}
	differs, waits := h.compared(now)
	return earliest(next, h.tick(ctx, now, s.interval(), state != Ready && differs == nil && !waits))
}

// leaveSilence tries another way into the cluster where nothing comes on the
// present one. A node that was stopped for a while first listens again.
func (h *heart) leaveSilence(now time.Time) {
	if now.Sub(h.looked) > silence/2 {
		h.listens = now
	}
	h.looked = now
	if now.Sub(latest(h.lastTick(), h.listens)) >= silence && h.log.Elsewhere() {
		h.listens = now
	}
}

// answers reports whether another node waits for a heartbeat that is due now.
func (h *heart) answers(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.answer || now.Sub(h.said) < answerEvery {
		return false
	}
	h.answer = false
	return true
}

func (f *follower) awaited() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answer
}

// fence is when the node has to fence itself, unless a proof comes before.
func (h *heart) fence(now time.Time, state State) time.Time {
	p := h.node.fresh.newest.Load()
	if p == nil || p.unbounded || state != Ready {
		return time.Time{}
	}
	return now.Add(p.limit - p.staleness(now) + 1)
}

// say sends a heartbeat. A lost one is replaced by the next. The acknowledgements
// go first: a node that hears how far this one enforces must know the counts up
// to there, or its receipt would look complete without them.
func (f *follower) say(now time.Time) {
	said := f.heartbeat(now)
	f.acks.round()
	_ = f.log.Say(said)
}

// heartbeat is what this node says of itself, with a nonce of its own.
func (f *follower) heartbeat(now time.Time) ledger.Heartbeat {
	n, s := f.node, f.node.settings.Load()
	state, promised := n.StateAt(now), n.fresh.next(now)
	said := ledger.Heartbeat{
		Node: n.ID(), Nonce: promised.nonce, MaxStaleness: promised.limit, Unbounded: promised.unbounded,
		Position: f.enforced.passed(), State: state.String(), Staleness: n.Staleness(), Version: s.Version, ConfigDigest: s.ConfigDigest, Format: revocation.Format,
		SealingKeys: s.sealingKeys(), Issuers: s.issuers(), Newest: n.newest.known(), Leaving: state == Closed,
	}
	said.Facts = n.cfg.Facts()
	if why := n.Why(); why != nil {
		said.Why = why.Error()
	}
	return said
}

// tick begins to append a tick if one is due, and returns when the next is.
func (f *follower) tick(ctx context.Context, now time.Time, interval time.Duration, wanting bool) time.Time {
	n := f.node
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ticks.want(now, wanting)
	due := f.ticks.due(interval, n.peers.heardLately(now))
	if checkClock(f.log.Connection()) != nil { // it is measured by what this node appends, and that is nothing else
		due = earliest(due, f.ticks.tried.Add(interval))
	}
	switch {
	case f.ticks.underWay:
		return time.Time{} // the goroutine wakes the heart when it is done
	case due.After(now):
		return due
	}
	f.ticks.underWay = true
	f.background.Go(func() { f.append(ctx) })
	return time.Time{}
}

// append appends a tick. After a failure the next try comes an interval later.
func (f *follower) append(ctx context.Context) {
	n := f.node
	if State(n.state.Load()) == Closed {
		return // it has left
	}
	ctx, cancel := context.WithTimeout(ctx, min(longestTick, n.settings.Load().MaxStaleness/2))
	defer cancel()
	f.mu.Lock()
	said := f.horizons.say()
	f.mu.Unlock()
	_ = f.log.Tick(ctx, f.echoes(n.cfg.Now()), said)
	f.mu.Lock()
	f.ticks.underWay, f.ticks.tried = false, n.cfg.Now()
	f.mu.Unlock()
	f.lookNow()
}

// echoes are the newest nonces of all nodes that were heard, and of this one.
func (f *follower) echoes(now time.Time) []ledger.Echo {
	p := f.node.fresh.newestPromise()
	own := ledger.Echo{Node: f.node.ID(), Nonce: p.nonce, MaxStaleness: p.limit, Unbounded: p.unbounded}
	return append(f.node.peers.echoes(now), own)
}

// leaveWithin bounds how long a node takes to say that it leaves.
const leaveWithin = time.Second

// leave tells the others that this node admits nothing any more, so that their
// receipts don't wait for it. A heartbeat tells the nodes that listen. A tick
// that does not echo its writer tells the nodes that start later. A node that
// receives neither waits until this node's bound has passed.
func (f *follower) leave() {
	n := f.node
	now := n.cfg.Now()
	f.say(now)
	if c := f.log.Connection(); c.Problem != nil || c.ReadOnly || n.ready.Load() == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	_ = f.log.Tick(ctx, n.peers.echoes(now), nil)
}

// earliest is the first of two instants; the zero one is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
