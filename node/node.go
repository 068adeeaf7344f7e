package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/live"
	"curfew.dev/curfew/revocation"
)

// State says whether a node may decide. The zero State is [Starting].
type State uint32

// The states of a node.
const (
	// Starting: the ledger is not read yet, or waits to be initialised.
	Starting State = iota
	// Ready: every acknowledged record is in the index.
	Ready
	// Fenced: the node can't prove that it is fresh.
	Fenced
	// Damaged: the ledger failed its integrity checks.
	Damaged
	// Closed: the node has stopped.
	Closed
)

// String is the state's name in the API.
func (s State) String() string {
	return [...]string{"starting", "ready", "fenced", "damaged", "closed"}[s]
}

// Config of a node.
type Config struct {
	// Name and Instance are the two halves of `name/instance`.
	Name, Instance string
	// Open opens the ledger. It is called by Start, and again while the answer
	// is [ledger.ErrUninitialised].
	Open func() (ledger.Ledger, error)
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// Live are the requests that end when they are revoked, and all of them
	// when the node stops being ready. Nil: there are none.
	Live *live.Registry
	// Observer is told what happens; nil: nobody is.
	Observer Observer
}

// Observer is told what a node does, for metrics and logs. Calls come from
// several goroutines and must not block.
type Observer interface {
	// Appended: an append took so long, with its outcome.
	Appended(took time.Duration, err error)
	// Enforced: a record of a source is in force so long after it was accepted.
	Enforced(source string, took time.Duration)
	// Changed: the node is in another state, and why.
	Changed(s State, why error)
}

type nobody struct{}

func (nobody) Appended(time.Duration, error)  {}
func (nobody) Enforced(string, time.Duration) {}
func (nobody) Changed(State, error)           {}

// Node is a replica of the index with its ledger. Make one with [New].
type Node struct {
	cfg   Config
	index revocation.Index
	state atomic.Uint32
	log   atomic.Pointer[openLog]
	ready atomic.Pointer[time.Time] // since when this instance enforces

	expected atomic.Int64 // nodes

	stop context.CancelFunc
	done sync.WaitGroup

	mu       sync.Mutex
	why      error               // of the state
	followed revocation.Position // everything up to here was applied
	replayed revocation.Position // what of it was there when this instance began
	changed  chan struct{}       // closed when something was applied
	enforced map[revocation.Position]enforcement
	written  []revocation.Position // the keys of enforced, oldest first
}

// enforcement is how an entry came into force here.
type enforcement struct {
	since time.Time
	cut   []int // live requests that each record cut; nil: none of them any
}

// remembered is how many writes of this instance have an exact instant of
// enforcement in their receipts.
const remembered = 1 << 16

type openLog struct{ ledger.Ledger }

// New prepares a node. It touches nothing until [Node.Start].
func New(cfg Config) *Node {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Live == nil {
		cfg.Live = new(live.Registry)
	}
	if cfg.Observer == nil {
		cfg.Observer = nobody{}
	}
	return &Node{cfg: cfg, changed: make(chan struct{})}
}

// Start opens the ledger and reads it in the background. A ledger that another
// process holds is an error at once; one that is damaged or not initialised
// leaves the node running but not ready, so that it can be asked why.
func (n *Node) Start() error {
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	l, err := n.cfg.Open()
	switch {
	case errors.Is(err, ledger.ErrUninitialised):
		l = nil // whatever came with the error
		n.become(Starting, err)
	case errors.Is(err, ledger.ErrIntegrity):
		l = nil
		n.become(Damaged, err)
	case err != nil:
		stop()
		return fmt.Errorf("opening the ledger: %w", err)
	}
	n.done.Go(func() { n.run(ctx, l) })
	return nil
}

// run replays, then watches over the ledger and lets expired cuts go.
func (n *Node) run(ctx context.Context, l ledger.Ledger) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	if l == nil {
		if l = n.awaitLedger(ctx, tick.C); l == nil {
			return
		}
	}
	n.log.Store(&openLog{l})
	if err := n.follow(ctx); err != nil {
		if ctx.Err() == nil {
			n.become(Damaged, err)
		}
		return
	}
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
		if now = n.cfg.Now(); now.Sub(expired) >= 10*time.Minute {
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
	if err := n.follow(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ledger.ErrUnavailable) {
		return err
	}
	return nil
}

// has reports whether everything up to a position is applied.
func (n *Node) has(pos revocation.Position) bool { return pos.Compare(n.Applied()) <= 0 }

// Applied is the position up to which everything in the ledger is in the index.
func (n *Node) Applied() revocation.Position {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.followed
}

// damagedEvery is how many ticks pass between looks at a damaged ledger: each
// one verifies it.
const damagedEvery = 5

// awaitLedger tries to open the ledger until somebody has initialised it or, if
// it is damaged, has adopted or restored it.
func (n *Node) awaitLedger(ctx context.Context, tick <-chan time.Time) ledger.Ledger {
	for ticks := 1; ; ticks++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		damaged := n.State() == Damaged
		if damaged && ticks%damagedEvery != 0 {
			continue
		}
		l, err := n.cfg.Open()
		switch {
		case err == nil:
			return l
		case errors.Is(err, ledger.ErrIntegrity):
			n.become(Damaged, err)
		case !damaged:
			n.become(Starting, err)
		}
	}
}

// follow applies everything in the ledger that was not read yet.
func (n *Node) follow(ctx context.Context) error {
	after := n.Applied()
	last := after
	err := n.log.Load().Read(ctx, after, func(e revocation.Entry) error {
		n.enforce(e)
		last = e.Position
		return nil
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	if last.Compare(n.followed) > 0 {
		n.followed = last
		n.advance()
	}
	if last != after {
		n.wake()
	}
	return err
}

// enforce folds an entry into the index, and then ends the live requests that
// it refuses, which may take a while.
func (n *Node) enforce(e revocation.Entry) {
	n.index.Apply(e)
	if n.State() != Ready {
		return // nothing is live before, and all was cut after
	}
	n.remember(e.Position, n.cfg.Now())
	for i := range e.Records {
		switch e.Records[i].Type {
		case revocation.Cut, revocation.Block, revocation.StepUp:
			if cut := n.cfg.Live.Cut(e.Records[i].Target); cut > 0 {
				n.count(revocation.Ref{Position: e.Position, Item: uint16(i)}, len(e.Records), cut)
			}
		}
	}
}

// count adds to the live requests that a record of an entry has cut. Each
// request is cut once, whoever else may be enforcing the same entry.
func (n *Node) count(ref revocation.Ref, records, cut int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, known := n.enforced[ref.Position]
	if !known {
		return // so much was written meanwhile that it is forgotten
	}
	if e.cut == nil {
		e.cut = make([]int, records)
		n.enforced[ref.Position] = e
	}
	e.cut[ref.Item] += cut
}

func (n *Node) become(s State, why error) {
	if n.turn(s, why) == Ready && s != Ready {
		n.cfg.Live.CutAll(live.Unready)
	}
}

// turn changes the state and returns the one before.
func (n *Node) turn(s State, why error) State {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := State(n.state.Load())
	if before == Closed {
		return before
	}
	same := before == s && fmt.Sprint(n.why) == fmt.Sprint(why)
	n.why = why
	n.state.Store(uint32(s))
	if !same {
		n.wake()
		n.cfg.Observer.Changed(s, why)
	}
	return before
}

// wake tells those who wait on Changes. The caller holds mu.
func (n *Node) wake() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// Expect says how many nodes there should be; while fewer are heard, receipts
// are partial. A local ledger has one.
func (n *Node) Expect(nodes int) { n.expected.Store(int64(nodes)) }

// Changes returns a channel that is closed when something more was applied, or
// the node is in another state.
// Take it before looking, or a change may be missed.
func (n *Node) Changes() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// State is the gate of every decision: one atomic load.
func (n *Node) State() State { return State(n.state.Load()) }

// Why says what keeps the node from being ready; nil if it is.
func (n *Node) Why() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.why
}

// Index is what the hot path reads. It is complete only while the node is ready.
func (n *Node) Index() *revocation.Index { return &n.index }

// Close stops the node: decisions are refused from now on, appends under way
// are finished and the ledger is released.
func (n *Node) Close() error {
	n.become(Closed, nil)
	if n.stop != nil {
		n.stop()
	}
	n.done.Wait()
	if l := n.log.Load(); l != nil {
		return l.Close()
	}
	return nil
}

// Log is the open ledger, or [ledger.ErrUnavailable] while there is none.
func (n *Node) Log() (ledger.Ledger, error) {
	l := n.log.Load()
	if l == nil || n.State() == Closed {
		return nil, fmt.Errorf("%w: the node is %s", ledger.ErrUnavailable, n.State())
	}
	return l.Ledger, nil
}

// Written is the outcome of a Submit.
type Written struct {
	Position revocation.Position
	// Replayed: the idempotency key was seen before; Position is the first
	// entry's.
	Replayed bool
}

// Submit makes records durable, applies them and returns. When it returns nil,
// they survive kill -9 and this node refuses what they refuse. Errors are
// those of [ledger.Ledger.Append]; a node that is not ready answers
// [ledger.ErrUnavailable], a damaged one [ledger.ErrIntegrity].
func (n *Node) Submit(ctx context.Context, records []revocation.Record, key ledger.Idempotency) (Written, error) {
	switch s := n.State(); s {
	case Ready:
	case Damaged:
		return Written{}, fmt.Errorf("%w: the node is %s", ledger.ErrIntegrity, s)
	default:
		return Written{}, fmt.Errorf("%w: the node is %s", ledger.ErrUnavailable, s)
	}
	l, err := n.Log()
	if err != nil {
		return Written{}, err
	}
	started := n.cfg.Now()
	pos, replayed, err := l.Append(ctx, records, key)
	n.cfg.Observer.Appended(n.cfg.Now().Sub(started), err)
	if err != nil {
		if integrity := l.Err(); integrity != nil {
			n.become(Damaged, integrity)
		}
		return Written{}, err
	}
	if replayed {
		return Written{pos, true}, n.reach(ctx, pos)
	}
	n.enforce(revocation.Entry{Position: pos, Records: records})
	now := n.cfg.Now()
	for i := range records {
		n.cfg.Observer.Enforced(records[i].Source, now.Sub(time.UnixMilli(records[i].Time)))
	}
	return Written{Position: pos}, nil
}

// reach applies what stands at pos, if it is not: the first try of a replay may
// have ended without an answer.
func (n *Node) reach(ctx context.Context, pos revocation.Position) error {
	if n.has(pos) {
		return nil
	}
	return n.follow(ctx)
}

// remember notes that what stands at pos is in the index, and since when.
func (n *Node) remember(pos revocation.Position, since time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.enforced == nil {
		n.enforced = make(map[revocation.Position]enforcement)
	}
	if _, twice := n.enforced[pos]; twice {
		return
	}
	if len(n.written) == remembered {
		for _, old := range n.written[:remembered/2] {
			delete(n.enforced, old)
		}
		n.written = append(n.written[:0], n.written[remembered/2:]...)
	}
	n.enforced[pos] = enforcement{since: since}
	n.written = append(n.written, pos)
	n.advance()
	n.wake()
}

// advance goes on over what was applied out of order: writers overtake one
// another. The caller holds mu.
func (n *Node) advance() {
	for {
		next := revocation.Position{Epoch: n.followed.Epoch, Sequence: n.followed.Sequence + 1}
		if _, applied := n.enforced[next]; !applied {
			return
		}
		n.followed = next
	}
}

// enforcedSince is when this instance began to enforce what stands at pos: when
// it applied it or, for what an earlier instance wrote, when it had read the
// ledger. For a write too old to be remembered it is when that was accepted,
// rounded up to the next second. What is durable and not applied is not enforced.
func (n *Node) enforcedSince(pos revocation.Position, accepted time.Time) (time.Time, bool) {
	ready := n.ready.Load()
	if ready == nil || n.State() != Ready {
		return time.Time{}, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	e, known := n.enforced[pos]
	switch {
	case known:
		return e.since, true
	case pos.Compare(n.replayed) <= 0:
		return *ready, true
	case pos.Compare(n.followed) > 0:
		return time.Time{}, false
	}
	return accepted.Truncate(time.Second).Add(time.Second), true
}

// cutBy is how many live requests a record ended here when it was written.
func (n *Node) cutBy(ref revocation.Ref) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if cut := n.enforced[ref.Position].cut; int(ref.Item) < len(cut) {
		return cut[ref.Item]
	}
	return 0
}
