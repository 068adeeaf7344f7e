package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// follower is a node's part in a fleet, for as long as it has the shared ledger
// open: it applies what comes, and keeps proving that nothing is missing.
type follower struct {
	node *Node
	log  ledger.Shared

	cuts *cutting
	acks *acknowledging
	// enforced passes what is in the index here and has been cut; everywhere
	// what every node of the roster enforces.
	enforced, everywhere progress
	// timed are the writes of this node that not every node enforces yet.
	timed timings

	wake       chan struct{} // holds one: the heart should look at once
	background sync.WaitGroup

	mu        sync.Mutex
	ticks     ticking
	listening time.Time // since when this node is heard, so that it hears others
	settled   bool      // the roster is known
	answer    bool      // another node waits for a heartbeat of this one
	horizons  horizons
	// contradicted: the node is damaged because its horizons differ, and not
	// because its ledger can't be trusted. Under node.mu.
	contradicted bool
}

var _ ledger.Follower = (*follower)(nil)

func newFollower(n *Node, l ledger.Shared) *follower {
	f := &follower{node: n, log: l, wake: make(chan struct{}, 1)}
	f.acks = newAcknowledging(n.ID(), l.Acknowledge)
	f.cuts = newCutting(n.cut, f.passed)
	f.enforced.pass(n.Applied()) // of the replica; nothing is live before the node is ready
	return f
}

// run follows the ledger until ctx ends, or it can't be trusted any more.
func (f *follower) run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	f.background.Go(func() { f.beat(ctx, fail) })
	f.background.Go(func() { f.acks.run(ctx) })
	for range cutters {
		f.background.Go(f.cuts.run)
	}
	err := f.log.Follow(ctx, f.node.Applied(), f)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = errors.New("following the ledger ended")
	}
	fail(err)
	f.cuts.stop()
	f.enforced.end()
	f.everywhere.end()
	f.background.Wait()
	return err
}

// lookNow makes the heart look at once.
func (f *follower) lookNow() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Applied folds an entry into the index. Other goroutines end the live requests
// that the entry refuses.
func (f *follower) Applied(e revocation.Entry, writer string) {
	n := f.node
	n.index.Apply(e)
	n.newest.note(&e)
	now := n.cfg.Now()
	var of *roster
	if f.isSettled() {
		of = n.peers.rosterAt(now)
	}
	if !n.applied(e.Position, enforcement{since: now, own: writer == n.ID(), roster: of}) {
		f.enforced.pass(e.Position) // nothing is live before the node is ready
		return
	}
	f.cuts.add(e, writer)
}

// passed is called for each entry, in order, when the live requests that it
// refuses have ended.
func (f *follower) passed(j *cutJob) {
	if j.writer != "" && j.writer != f.node.ID() {
		f.acks.add(j.writer, j.entry.Position, f.node.counts(j.entry.Position))
	}
	f.enforced.pass(j.entry.Position)
}

// Ticked takes a tick, which proves that everything before it was applied. A tick
// by nobody holds the echoes that the ledger remembers of earlier ticks: the nodes
// that may be serving. If the ledger remembers none, later ticks name them.
func (f *follower) Ticked(t ledger.Tick) {
	n := f.node
	now := n.cfg.Now()
	n.newest.stamped(t.Stamp)
	n.peers.ticked(&t, n.ID(), now)
	for _, e := range t.Echoes {
		if e.Node == n.ID() {
			n.fresh.echoed(e.Nonce)
		}
	}
	if t.By == "" {
		return
	}
	f.noteTick(now, t.By == n.ID())
	f.compareHorizons(&t)
	f.settle(now)
	f.releaseWaiters(now)
	if State(n.state.Load()) != Ready {
		f.callAgain() // the writer of the tick has not heard of this node
	}
}

func (f *follower) callAgain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = true
	f.lookNow()
}

// noteTick tells the cadence of a tick. The first tick that comes two intervals
// after the node began to hear the others names all nodes that may be serving.
func (f *follower) noteTick(now time.Time, mine bool) {
	calling := f.node.peers.calling(now)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ticks.applied(now, mine, calling)
	if !f.listening.IsZero() && now.Sub(f.listening) >= 2*f.node.settings.Load().interval() {
		f.settled = true
	}
}

func (f *follower) lastTick() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ticks.seen
}

func (f *follower) isSettled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.settled
}

// Heard takes a heartbeat. A node that hears its own hears the others too.
func (f *follower) Heard(h ledger.Heartbeat) {
	now := f.node.cfg.Now()
	if h.Node != f.node.ID() {
		if h.MaxStaleness <= 0 {
			h.MaxStaleness = DefaultMaxStaleness
		}
		f.node.peers.heard(&h, now)
		f.node.claimed(h.Newest, now)
		f.releaseWaiters(now)
		f.listen(&h, now)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listening.IsZero() {
		f.listening = now
	}
}

// listen answers a node that waits for a tick: this one writes it, or says that
// it waits as well.
func (f *follower) listen(h *ledger.Heartbeat, now time.Time) {
	calling := f.node.peers.calling(now)
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.State == Ready.String() {
		f.ticks.helped = true
	}
	if calling && f.ticks.call(now) {
		f.answer = f.answer || h.State != Ready.String()
		f.lookNow()
	}
}

// Acknowledged takes how far a node enforces what this one wrote.
func (f *follower) Acknowledged(a ledger.Acknowledgement) {
	now := f.node.cfg.Now()
	f.node.cutElsewhere(a.Node, a.Cut)
	f.node.peers.acknowledged(a.Node, a.Position, now)
	f.releaseWaiters(now)
}

// Asked answers what this node enforces.
func (f *follower) Asked(ref revocation.Ref) (ledger.Answer, bool) {
	n := f.node
	if s := State(n.state.Load()); s == Closed || s == Damaged {
		return ledger.Answer{}, false
	}
	a := ledger.Answer{Node: n.ID(), Cut: n.cutBy(ref)}
	if e, ok := n.enforcementOf(ref.Position); ok && f.has(ref) {
		a.Since = e.since
	}
	return a, true
}

// has reports whether a record that other nodes have is in the ledger here as
// well. Within the present epoch every applied record is. This node may have
// missed records of earlier epochs.
func (f *follower) has(ref revocation.Ref) bool {
	if !f.passedBy(ref.Position) {
		return true
	}
	_, err := f.log.Get(context.Background(), ref)
	return err == nil
}

// passedBy reports whether a position is of an epoch before this one.
func (f *follower) passedBy(pos revocation.Position) bool { return pos.Epoch < f.node.Applied().Epoch }

// releaseWaiters ends the waits for positions that the whole roster enforces.
func (f *follower) releaseWaiters(now time.Time) {
	if !f.everywhere.awaited() && !f.timed.any() || !f.isSettled() {
		return
	}
	least, any := f.node.peers.leastEnforced(f.node.peers.rosterAt(now))
	if here := f.enforced.passed(); !any || here.Compare(least) < 0 {
		least = here
	}
	f.everywhere.pass(least)
	for _, accepted := range f.timed.passed(least) {
		f.node.cfg.Observer.EnforcedEverywhere(now.Sub(accepted))
	}
}

// settle sets the state by the proofs. A node is damaged until its ledger is opened
// again or, if its horizons differ from those of others, until they agree.
func (f *follower) settle(now time.Time) {
	problem, broken := f.log.Connection().Problem, f.log.Err()
	differs, waits := f.compared(now)
	n := f.node
	n.mu.Lock()
	before := State(n.state.Load())
	changed := false
	if before != Closed && (before != Damaged || f.contradicted && broken == nil) {
		s, why := f.judge(now, problem)
		f.contradicted = differs != nil
		switch {
		case f.contradicted:
			s, why = Damaged, differs
		case waits && before == Starting && s == Ready:
			s, why = Starting, errUncompared
		}
		if s == Ready && n.ready.Load() == nil {
			n.replayed = n.followed
			n.ready.Store(&now)
		}
		changed = n.set(s, why)
	}
	after := State(n.state.Load())
	n.mu.Unlock()
	if before == Ready && after != Ready {
		n.cutAll()
	}
	if changed {
		f.lookNow()
	}
}

var (
	errUnproven   = errors.New("no tick has echoed this start yet")
	errUncompared = errors.New("what expired before this node joined is not compared with another node's yet")
	errStale      = errors.New("no tick has echoed this node for longer than max_staleness")
)

// judge returns the state by the proofs, and why. The texts don't change
// from moment to moment, or each would be told as news.
func (f *follower) judge(now time.Time, problem error) (State, error) {
	p := f.node.fresh.newest.Load()
	switch {
	case p == nil:
		return Starting, because(errUnproven, problem)
	case p.over(now):
		return Fenced, because(errStale, problem)
	}
	return Ready, nil
}

func because(what, problem error) error {
	if problem == nil {
		return what
	}
	return fmt.Errorf("%w: %w", what, problem)
}
