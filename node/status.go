package node

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Status describes one node in `GET /v1/nodes`.
type Status struct {
	Node         string  `json:"node"`
	State        string  `json:"state" enum:"starting,ready,keyless,fenced,damaged,silent,closed"`
	Why          string  `json:"why,omitempty"`
	Position     string  `json:"position"`
	Epoch        uint64  `json:"epoch"`
	Staleness    float64 `json:"staleness_seconds"`
	Version      string  `json:"version"`
	ConfigDigest string  `json:"config_digest"`
	Format       int     `json:"format" minimum:"1" doc:"The newest format of records that the node reads. No node writes what another can't read"`
	LastHeard    *Time   `json:"last_heard"`
	// SealingKeys are the ids of its sealing keys. A text that one node has sealed
	// opens on another only if that has the key.
	SealingKeys []string `json:"sealing_keys,omitempty" doc:"Ids of the sealing keys: the first seals, all open. They tell nothing of the keys"`
	// Issuers are the issuers whose tokens it takes, and whether it has their keys.
	Issuers []ledger.IssuerStatus `json:"issuers" nullable:"false"`
}

// Silent is the state of a node that was not heard within its max_staleness.
const Silent = "silent"

// Keyless is the state of a node that would decide, and has no keys of any
// issuer: it refuses every token with 503. It enforces like a ready one.
const Keyless = "keyless"

// judge adds the issuers. A node that is ready except for its keys is keyless. A
// node that is not ready keeps its reason.
func (s *Status) judge(issuers []ledger.IssuerStatus) {
	s.Issuers = append([]ledger.IssuerStatus{}, issuers...)
	if s.State != Ready.String() || len(issuers) == 0 {
		return
	}
	var missing []string
	for _, i := range issuers {
		if i.Ready {
			return
		}
		missing = append(missing, "no keys of "+i.Issuer+": "+i.Why)
	}
	s.State, s.Why = Keyless, strings.Join(missing, "; ")
}

// ID is the node's `name/instance`.
func (n *Node) ID() string { return n.cfg.Name + "/" + n.cfg.Instance }

// Status describes this node.
func (n *Node) Status() Status {
	is := n.settings.Load()
	s := Status{
		Node: n.ID(), State: n.State().String(), LastHeard: NewTime(n.cfg.Now()),
		Version: is.Version, ConfigDigest: is.ConfigDigest, Format: revocation.Format, Staleness: n.Staleness().Seconds(),
		SealingKeys: is.sealingKeys(),
	}
	if why := n.Why(); why != nil {
		s.Why = why.Error()
	}
	if l, err := n.Log(); err == nil {
		head := l.Head().Position
		s.Position, s.Epoch = head.String(), head.Epoch
	}
	s.judge(is.issuers())
	return s
}

// Nodes are this node and, in a cluster, every other that was heard lately, by
// name. Nodes that left in an orderly way are not among them.
func (n *Node) Nodes() []Status {
	return append([]Status{n.Status()}, n.peers.statuses(n.cfg.Now())...)
}

func (p *peers) statuses(now time.Time) []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Status
	for _, q := range p.of {
		if q.heard.IsZero() || q.said.Leaving {
			continue
		}
		all = append(all, q.status(now))
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Node, b.Node) })
	return all
}

func (p *peer) status(now time.Time) Status {
	s := Status{
		Node: p.said.Node, State: p.state(now), Why: p.said.Why, Position: p.said.Position.String(), Epoch: p.said.Position.Epoch,
		Staleness: p.said.Staleness.Seconds(), Version: p.said.Version, ConfigDigest: p.said.ConfigDigest, Format: p.format(), LastHeard: NewTime(p.heard),
		SealingKeys: p.said.SealingKeys,
	}
	if n := len(p.reached); n > 0 {
		s.Position, s.Epoch = p.reached[n-1].at.String(), p.reached[n-1].at.Epoch
	}
	s.judge(p.said.Issuers)
	return s
}

// state is the newest that was heard. A damaged node says nothing after that.
func (p *peer) state(now time.Time) string {
	for s := Starting; s <= Damaged; s++ {
		if p.said.State == s.String() && (s == Damaged || p.isHeard(now)) {
			return p.said.State
		}
	}
	return Silent
}
