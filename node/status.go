package node

import (
	"context"
	"time"

	"curfew.dev/curfew/revocation"
)

// Status is what a node says of itself and of the others.
type Status struct {
	Node         string  `json:"node"`
	State        string  `json:"state" enum:"starting,ready,fenced,damaged,closed"`
	Why          string  `json:"why,omitempty"`
	Position     string  `json:"position"`
	Epoch        uint64  `json:"epoch"`
	Staleness    float64 `json:"staleness_seconds"`
	Version      string  `json:"version"`
	ConfigDigest string  `json:"config_digest"`
	LastHeard    *Time   `json:"last_heard"`
}

// ID is the node's `name/instance`.
func (n *Node) ID() string { return n.cfg.Name + "/" + n.cfg.Instance }

// Status is this node's own line. Version and config digest are the caller's
// to fill in.
func (n *Node) Status() Status {
	s := Status{Node: n.ID(), State: n.State().String(), LastHeard: NewTime(n.cfg.Now())}
	if why := n.Why(); why != nil {
		s.Why = why.Error()
	}
	if l, err := n.Log(); err == nil {
		head := l.Head().Position
		s.Position, s.Epoch = head.String(), head.Epoch
	}
	return s
}

// Receipt tells how a record stands now, or [ledger.ErrNotFound].
func (n *Node) Receipt(ctx context.Context, ref revocation.Ref) (Receipt, error) {
	l, err := n.Log()
	if err != nil {
		return Receipt{}, err
	}
	r, err := l.Get(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	return n.ReceiptOf(&r, ref), nil
}

// ReceiptOf tells how a record that is known to be in the ledger stands now.
func (n *Node) ReceiptOf(r *revocation.Record, ref revocation.Ref) Receipt {
	out := receipt(r, ref)
	if !r.Lifts.IsZero() {
		out.Lifts = n.liftedID(r.Lifts)
	}
	out.Durability = "verified"
	here := NodeReceipt{Node: n.ID(), State: "pending", LiveRequestsCut: n.cutBy(ref)}
	out.Enforcement.LiveRequestsCut = here.LiveRequestsCut
	out.Enforcement.State = "pending"
	if since, ok := n.enforcedSince(ref.Position, time.UnixMilli(r.Time)); ok {
		here.State, here.EnforcedAt = "enforced", NewTime(since)
		out.Enforcement.State = "enforced"
		if n.expected.Load() > 1 {
			out.Enforcement.State = "partial"
		}
		// A local ledger has one reader, which is fresh by construction: the
		// bound is the moment itself.
		out.Enforcement.EnforcedBy = here.EnforcedAt
	}
	out.Enforcement.Nodes = []NodeReceipt{here}
	return out
}

func (n *Node) liftedID(ref revocation.Ref) string {
	if l, err := n.Log(); err == nil {
		if r, err := l.Get(context.Background(), ref); err == nil {
			return ref.ID(r.Type)
		}
	}
	return ref.String()
}
