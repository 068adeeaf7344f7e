package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Written is the outcome of a Submit.
type Written struct {
	Position revocation.Position
	// Replayed: the idempotency key was seen before; Position is the first
	// entry's.
	Replayed bool
}

// Submit makes records durable, applies them and returns. When it returns nil,
// they survive kill -9 and this node refuses what they refuse. Errors are
// those of [ledger.Ledger.Append]; a node that is not ready, or whose clock is
// wrong, answers [ledger.ErrUnavailable], a damaged one [ledger.ErrIntegrity].
// If a node of the cluster can't read one of the records, none is written, and the
// error wraps [ErrFormat].
func (n *Node) Submit(ctx context.Context, records []revocation.Record, key ledger.Idempotency) (Written, error) {
	l, err := n.writable()
	if err != nil {
		return Written{}, err
	}
	f := n.follower.Load()
	if err := n.checkFormat(f, records); err != nil {
		return Written{}, err
	}
	started := n.cfg.Now()
	pos, replayed, err := l.Append(ctx, records, key)
	if !errors.Is(err, ledger.ErrKeyReused) { // the caller's mistake
		n.cfg.Observer.Appended(n.cfg.Now().Sub(started), err)
	}
	if err != nil {
		// The node may have opened another ledger since the append began.
		if integrity := l.Err(); integrity != nil && n.hasOpen(l) {
			n.become(Damaged, integrity)
		}
		return Written{}, err
	}
	switch {
	case replayed:
		return Written{pos, true}, n.reach(ctx, pos)
	case f != nil:
		f.enforced.await(ctx, pos) // it is in the index; this is for the live requests
	default:
		n.enforce(revocation.Entry{Position: pos, Records: records})
	}
	n.cfg.Observer.Written(pos, records)
	now := n.cfg.Now()
	for i := range records {
		accepted := time.UnixMilli(records[i].Time)
		n.cfg.Observer.Enforced(records[i].Source, now.Sub(accepted))
		if f != nil {
			f.timed.start(pos, accepted)
		} else {
			n.cfg.Observer.EnforcedEverywhere(now.Sub(accepted))
		}
	}
	if f != nil {
		f.releaseWaiters(now)
	}
	return Written{Position: pos}, nil
}

// unready is a state with its reason, which says whether waiting helps.
func unready(s State, why error) error {
	if why == nil {
		return errors.New(s.String())
	}
	return fmt.Errorf("%s: %w", s, why)
}

// hasOpen reports whether a ledger is the one that the node has open.
func (n *Node) hasOpen(l ledger.Ledger) bool {
	open := n.log.Load()
	return open != nil && open.Ledger == l
}

// writable returns the ledger, or why nothing may be written.
func (n *Node) writable() (ledger.Ledger, error) {
	f := n.follower.Load()
	switch s := n.State(); {
	case s == Ready:
	case s == Damaged:
		return nil, fmt.Errorf("%w: the node is %s", ledger.ErrIntegrity, s)
	case f != nil && f.log.Connection().ReadOnly:
		// It won't write when it is ready, either.
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, ledger.ErrReadOnly)
	default:
		return nil, fmt.Errorf("%w: the node is %w", ledger.ErrUnavailable, unready(s, n.Why()))
	}
	if f != nil {
		if err := checkClock(f.log.Connection()); err != nil {
			return nil, err
		}
	}
	return n.Log()
}

// worstOffset is how wrong the clock of a writer may be, because it dates its
// records.
const worstOffset = time.Second

func checkClock(c ledger.Connection) error {
	if !c.Measured || c.Offset.Abs() <= worstOffset {
		return nil
	}
	which := "ahead of"
	if c.Offset < 0 {
		which = "behind"
	}
	return fmt.Errorf("%w: this node's clock is %s %s that of the NATS servers: synchronise the clocks (NTP), and retry",
		ledger.ErrUnavailable, c.Offset.Abs().Round(time.Millisecond), which)
}

// enforce folds an entry of a local ledger into the index, and then ends the
// live requests that it refuses.
func (n *Node) enforce(e revocation.Entry) {
	n.index.Apply(e)
	n.newest.note(&e)
	if State(n.state.Load()) != Ready {
		return // nothing is live before, and all was cut after
	}
	n.mu.Lock()
	n.remember(e.Position, enforcement{since: n.cfg.Now()})
	n.mu.Unlock()
	n.cut(e)
}

// reach applies the entries up to pos if they are not: the first append of a key
// may have ended without an answer.
func (n *Node) reach(ctx context.Context, pos revocation.Position) error {
	if n.has(pos) {
		return nil
	}
	if f := n.follower.Load(); f != nil {
		if f.enforced.await(ctx, pos) {
			return nil
		}
		return fmt.Errorf("%w: the first one, at %s, has not come round to this node", ledger.ErrOutcomeUnknown, pos)
	}
	return n.readOn(ctx)
}
