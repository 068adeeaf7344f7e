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

// Config of a node.
type Config struct {
	// Name and Instance are the two halves of `name/instance`. No two starts of
	// a process have the same instance.
	Name, Instance string
	// Open opens the ledger. It is called by Start, and again while the answer
	// is [ledger.ErrUninitialised] or [ledger.ErrIntegrity]. If it is a
	// [ledger.Shared], the node is one of a fleet.
	Open func() (ledger.Ledger, error)
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// Live are the live requests. A revoked one ends, and all end when the node
	// stops being ready. Nil: there are none.
	Live *live.Registry
	// Newest keeps the newest instants of verified tokens over restarts; nil:
	// they are forgotten.
	Newest NewestStore
	// Facts are told to the other nodes: by issuer, the claims that this node has
	// seen in tokens, as a set of bits. Nil: nothing is told.
	Facts func() map[string]uint64
	// Observer hears of events; nil: nothing does.
	Observer Observer
}

// Node is a replica of the index with its ledger. Make one with [New].
type Node struct {
	cfg    Config
	state  atomic.Uint32
	held   atomic.Pointer[error] // why the node must not be ready; see Hold
	fresh  freshness
	index  revocation.Index
	newest newest

	log      atomic.Pointer[openLog]
	follower atomic.Pointer[follower] // of a shared ledger that is open
	settings atomic.Pointer[Settings]
	ready    atomic.Pointer[time.Time] // since when this instance enforces
	peers    peers
	replay   atomic.Pointer[Replay] // nil: the ledger is not being read

	formatOf func(*revocation.Record) int // that it needs; a test's may be another

	stop context.CancelFunc
	done sync.WaitGroup

	mu       sync.Mutex
	why      error               // of the state
	followed revocation.Position // everything up to here was applied
	replayed revocation.Position // followed when this instance began
	changed  chan struct{}       // closed at the next change; see Changes
	enforced map[revocation.Position]enforcement
	written  []revocation.Position           // the keys of enforced, oldest first
	early    map[revocation.Position][]cutAt // counts of other nodes for entries that are not applied yet
}

type openLog struct{ ledger.Ledger }

// New prepares a node. It touches nothing until [Node.Start].
func New(cfg Config) *Node {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Live == nil {
		cfg.Live = new(live.Registry)
	}
	if cfg.Facts == nil {
		cfg.Facts = func() map[string]uint64 { return nil }
	}
	if cfg.Observer == nil {
		cfg.Observer = nobody{}
	}
	n := &Node{cfg: cfg, changed: make(chan struct{}), formatOf: (*revocation.Record).Format}
	n.Configure(Settings{})
	return n
}

// Start opens the ledger and reads it in the background. A ledger that another
// process holds is an error at once; one that is damaged or not initialised
// leaves the node running but not ready, so that it can be asked why.
func (n *Node) Start() error {
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	n.loadNewest() // a ledger that begins now signs out what was verified before
	l, err := n.cfg.Open()
	switch {
	case errors.Is(err, ledger.ErrUninitialised):
		l = nil // it may be a typed nil
		n.become(Starting, err)
	case errors.Is(err, ledger.ErrIntegrity):
		l = nil
		n.become(Damaged, err)
	case err != nil:
		stop()
		return fmt.Errorf("opening the ledger: %w", err)
	}
	n.done.Go(func() { n.run(ctx, l) })
	n.done.Go(func() { n.keepNewest(ctx) })
	return nil
}

// run keeps a ledger open. A shared one that is damaged is closed and opened again
// until that succeeds: an operator may adopt it on any node of the fleet. A
// damaged file stays open and locked until an operator has looked.
func (n *Node) run(ctx context.Context, l ledger.Ledger) {
	for {
		if l == nil {
			if l = n.awaitLedger(ctx); l == nil {
				return
			}
		}
		n.log.Store(&openLog{l})
		n.loadNewest() // a process that had the ledger open before has saved it by now
		shared, ok := l.(ledger.Shared)
		if !ok {
			n.runLocal(ctx, l)
			return
		}
		if err := n.runShared(ctx, shared); ctx.Err() == nil {
			n.abandon(shared, err)
		}
		if ctx.Err() != nil {
			return
		}
		l = nil
	}
}

// damagedEvery is how many ticks pass between looks at a damaged ledger: each
// one verifies it.
const damagedEvery = 5

// awaitLedger tries to open the ledger until an operator has initialised it or, if
// it is damaged, has adopted or restored it.
func (n *Node) awaitLedger(ctx context.Context) ledger.Ledger {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ticks := 1; ; ticks++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
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

// readOn applies the entries of the ledger that were not read yet.
func (n *Node) readOn(ctx context.Context) error {
	after := n.Applied()
	last := after
	l := n.log.Load()
	telling := n.replaying(l.Head().Position)
	defer n.replay.Store(nil)
	err := l.Read(ctx, after, func(e revocation.Entry) error {
		n.enforce(e)
		last = e.Position
		telling.passed(e.Position)
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

// has reports whether everything up to a position is applied.
func (n *Node) has(pos revocation.Position) bool { return pos.Compare(n.Applied()) <= 0 }

// Applied is the position up to which everything in the ledger is in the index.
func (n *Node) Applied() revocation.Position {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.followed
}

// Index is what the hot path reads. It is complete only while the node is ready.
func (n *Node) Index() *revocation.Index { return &n.index }

// Log is the open ledger, or [ledger.ErrUnavailable] while there is none.
func (n *Node) Log() (ledger.Ledger, error) {
	l := n.log.Load()
	if s := State(n.state.Load()); l == nil || s == Closed {
		return nil, fmt.Errorf("%w: the node is %s", ledger.ErrUnavailable, s)
	}
	return l.Ledger, nil
}

// Close stops the node: decisions are refused from now on, other nodes are told
// that they need not wait for this one, appends under way are finished and the
// ledger is released.
func (n *Node) Close() error {
	n.become(Closed, nil)
	if f := n.follower.Load(); f != nil {
		f.leave()
	}
	if n.stop != nil {
		n.stop()
	}
	n.done.Wait()
	if l := n.log.Load(); l != nil {
		return l.Close()
	}
	return nil
}
