package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// askWithin bounds how long others are asked about a record.
const askWithin = 300 * time.Millisecond

// Receipt tells how a record stands now, or [ledger.ErrNotFound]. It is the same
// on every node and after a restart, because this node asks the others for
// acknowledgements that it has not heard.
func (n *Node) Receipt(ctx context.Context, ref revocation.Ref) (Receipt, error) {
	l, err := n.Log()
	if err != nil {
		return Receipt{}, err
	}
	r, err := l.Get(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	return n.receiptWith(&r, ref, n.ask(ctx, ref)), nil
}

// ReceiptOf tells how a record that is in the ledger stands now, as far as this
// node has heard.
func (n *Node) ReceiptOf(r *revocation.Record, ref revocation.Ref) Receipt {
	return n.receiptWith(r, ref, nil)
}

// Await waits until no node of the roster is pending at a position, or ctx
// ends. With a local ledger it does not wait. [Node.ReceiptOf] then tells the
// outcome.
func (n *Node) Await(ctx context.Context, pos revocation.Position) {
	f := n.follower.Load()
	if f == nil {
		return
	}
	everywhere, giveUp := f.everywhere.expect(pos)
	defer giveUp()
	f.releaseWaiters(n.cfg.Now())
	// A node stops being pending by the passing of time as well.
	look := time.NewTicker(n.settings.Load().interval())
	defer look.Stop()
	for {
		select {
		case <-everywhere:
			return
		case <-ctx.Done():
			return
		case <-look.C:
			var here enforcement
			if here, _ = n.enforcementOf(pos); f.isSettled() && !f.coverage(pos, 0, &here, nil).pending {
				return
			}
		}
	}
}

// ask collects the answers of other nodes about a record.
func (n *Node) ask(ctx context.Context, ref revocation.Ref) map[string]ledger.Answer {
	f := n.follower.Load()
	if f == nil {
		return nil
	}
	members := n.peers.rosterAt(n.cfg.Now()).members
	here, _ := n.enforcementOf(ref.Position)
	if len(members) == 0 || here.own && f.isSettled() && !f.coverage(ref.Position, ref.Item, &here, nil).pending {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	answers := make(map[string]ledger.Answer)
	for _, a := range f.log.Ask(ctx, ref, len(members)) {
		answers[a.Node] = a
	}
	return answers
}

// receiptWith builds a receipt with the answers of other nodes.
func (n *Node) receiptWith(r *revocation.Record, ref revocation.Ref, answers map[string]ledger.Answer) Receipt {
	out := receipt(r, ref)
	if !r.Lifts.IsZero() {
		out.Lifts = n.liftedID(r.Lifts)
	}
	here := NodeReceipt{Node: n.ID(), State: "pending", LiveRequestsCut: n.cutBy(ref)}
	e, enforced := n.enforcementOf(ref.Position)
	if enforced {
		here.State, here.EnforcedAt = "enforced", notBefore(e.since)
	}
	f := n.follower.Load()
	if f == nil {
		out.Durability, out.Enforcement = "verified", n.localEnforcement(here)
		return out
	}
	out.Durability = "unverified"
	if f.log.Connection().Verified {
		out.Durability = "verified"
	}
	out.Enforcement = f.fleetEnforcement(ref, here, &e, answers)
	return out
}

// localEnforcement is that of a local ledger. Its one reader is always fresh, so
// the bound is the instant of enforcement.
func (n *Node) localEnforcement(here NodeReceipt) Enforcement {
	out := Enforcement{State: here.State, EnforcedBy: here.EnforcedAt, LiveRequestsCut: here.LiveRequestsCut, Nodes: []NodeReceipt{here}}
	if here.State == "enforced" && n.settings.Load().Expect > 1 {
		out.State = "partial"
	}
	return out
}

// fleetEnforcement is that of a fleet. It is enforced when no node is pending:
// fenced nodes refuse everything. It is pending, and without a bound, while this
// node can't know the roster yet.
func (f *follower) fleetEnforcement(ref revocation.Ref, here NodeReceipt, e *enforcement, answers map[string]ledger.Answer) Enforcement {
	s := f.coverage(ref.Position, ref.Item, e, answers)
	out := Enforcement{State: "enforced", LiveRequestsCut: here.LiveRequestsCut, Nodes: append([]NodeReceipt{here}, s.nodes...)}
	for _, other := range s.nodes {
		out.LiveRequestsCut += other.LiveRequestsCut
	}
	own := f.node.settings.Load()
	known := here.EnforcedAt != nil && f.isSettled()
	if bound, ok := s.roster.bound(own); ok && known {
		out.EnforcedBy = notBefore(e.since.Add(bound))
	}
	switch {
	case s.pending || !known:
		out.State = "pending"
	case s.known(here.Node) < own.Expect:
		out.State = "partial"
	}
	return out
}

// coverage is which nodes of a roster enforce a record.
type coverage struct {
	roster  *roster
	nodes   []NodeReceipt
	pending bool
}

// known is how many nodes there are, this one included, however often they were
// restarted.
func (s *coverage) known(self string) int {
	names := map[string]bool{nameOf(self): true}
	for _, m := range s.roster.members {
		names[nameOf(m.node)] = true
	}
	for _, line := range s.nodes {
		names[nameOf(line.Node)] = true
	}
	return len(names)
}

// nameOf is the node_name of an instance.
func nameOf(node string) string { return node[:max(0, strings.LastIndexByte(node, '/'))] }

// coverage judges the roster that an entry had when it was applied, or the present
// one where that is not known. It adds nodes that joined later and enforce the
// entry.
func (f *follower) coverage(pos revocation.Position, item uint16, e *enforcement, answers map[string]ledger.Answer) coverage {
	now := f.node.cfg.Now()
	of := e.roster
	if of == nil {
		of = f.node.peers.rosterAt(now)
	}
	out := coverage{roster: of}
	for _, m := range of.members {
		line := NodeReceipt{Node: m.node, LiveRequestsCut: e.cutBy(m.node, item)}
		since, enforces := f.node.peers.since(m.node, pos)
		if a, answered := answers[m.node]; answered && !a.Since.IsZero() {
			since, enforces = a.Since, true
			line.LiveRequestsCut = max(line.LiveRequestsCut, a.Cut)
		}
		switch {
		case enforces:
			line.State, line.EnforcedAt = "enforced", notBefore(since)
		case f.node.peers.hasLeft(m.node):
			continue // it admits nothing
		case m.unbounded, f.node.peers.admits(m.node, now) && (e.since.IsZero() || now.Sub(e.since) <= m.maxStaleness || f.passedBy(pos)):
			line.State, out.pending = "pending", true
		default:
			line.State = "fenced"
		}
		out.nodes = append(out.nodes, line)
	}
	for _, m := range f.node.peers.rosterAt(now).members {
		if slices.ContainsFunc(of.members, func(o member) bool { return o.node == m.node }) {
			continue
		}
		if since, enforces := f.node.peers.since(m.node, pos); enforces {
			out.nodes = append(out.nodes, NodeReceipt{Node: m.node, State: "enforced", EnforcedAt: notBefore(since)})
		}
	}
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
