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
	// answerEvery is the least time between heartbeats that somebody waits for.
	answerEvery = 10 * time.Millisecond
	// longestTick bounds how long a tick may be under way.
	longestTick = 5 * time.Second
	// expireEvery is how often expired cuts are let go.
	expireEvery = 10 * time.Minute
	// silence is how long no tick may come, which are a second apart, until this
	// node tries another way into the cluster. It is more than the election of a
	// leader takes, which a move could not help.
	silence = 10 * time.Second
)

// heart is what recurs.
type heart struct {
	*follower
	said      time.Time // when the last heartbeat was
	saidState State
	connected bool
	expired   time.Time
	// beaten is when it looked last, and listens since when it would have noticed
	// a tick.
	beaten, listens time.Time
}

// beat keeps the node fresh and its state true until ctx ends: it says how the
// node is, ticks, fences at the deadline.
func (f *follower) beat(ctx context.Context, fail context.CancelCauseFunc) {
	h := heart{follower: f, expired: f.node.cfg.Now()}
	timer := time.AfterFunc(time.Hour, f.hurry)
	defer timer.Stop()
	f.hurry()
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
			f.hurry()
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
		h.lookRound(now)
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
	if now.Sub(h.beaten) > silence/2 {
		h.listens = now
	}
	h.beaten = now
	if now.Sub(latest(h.lastTick(), h.listens)) >= silence && h.log.Elsewhere() {
		h.listens = now
	}
}

// answers reports whether somebody waits to hear of this node now.
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

// fence is when the node has to fence itself, if nothing comes.
func (h *heart) fence(now time.Time, state State) time.Time {
	p := h.node.fresh.newest.Load()
	if p == nil || p.unbounded || state != Ready {
		return time.Time{}
	}
	return now.Add(p.limit - p.staleness(now) + 1)
}

// say tells how this node is; what is lost is said again. Whoever hears how far
// it enforces has heard what it cut up to there: a receipt would be complete
// without it.
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
		Issuers: s.issuers(), Newest: n.newest.known(), Leaving: state == Closed,
	}
	said.Facts = n.cfg.Facts()
	if why := n.Why(); why != nil {
		said.Why = why.Error()
	}
	return said
}

// tick appends one, if it is due, and returns when it is.
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
	case f.ticks.flying:
		return time.Time{} // it wakes the heart when it has landed
	case due.After(now):
		return due
	}
	f.ticks.flying = true
	f.beside.Go(func() { f.append(ctx) })
	return time.Time{}
}

// append appends a tick. A failed one is tried again after an interval.
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
	f.ticks.flying, f.ticks.tried = false, n.cfg.Now()
	f.mu.Unlock()
	f.hurry()
}

// echoes are the newest nonces of all that this node heard, itself included.
func (f *follower) echoes(now time.Time) []ledger.Echo {
	p := f.node.fresh.newestPromise()
	own := ledger.Echo{Node: f.node.ID(), Nonce: p.nonce, MaxStaleness: p.limit, Unbounded: p.unbounded}
	return append(f.node.peers.echoes(now), own)
}

// leaveWithin bounds how long a node takes to say that it leaves.
const leaveWithin = time.Second

// leave tells the others that this node admits nothing any more, so that nobody
// waits for it: those that listen at once, and those that start later by a tick
// that does not echo its writer. Whoever learns of neither waits until the node
// would have fenced itself.
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
