package node

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// peers is what a node knows of the others by ticks, heartbeats and
// acknowledgements. All instants are of this node's clock. The zero value knows
// no node.
type peers struct {
	mu     sync.Mutex
	of     map[string]*peer
	roster *roster   // of the moment it was made
	until  time.Time // when the first member leaves it for want of an echo; zero: never
}

// peer is one instance of another node.
type peer struct {
	said  ledger.Heartbeat // the newest that was heard
	heard time.Time
	// echo is its newest nonce in a tick, and echoed when the first tick with
	// it was applied here: what that nonce proves to its node was true
	// before, so none can be fresh for longer than we count.
	echo   ledger.Echo
	echoed time.Time
	// admits from this nonce on: a node that is leaving, or has closed a
	// damaged ledger, admits nothing by an older one.
	admits  uint64
	calls   uint64      // the nonce with which it ceased to be ready, or began: it waits for its echo
	reached []milestone // how far it enforces, oldest first
}

// milestone is when it was heard that a node enforces everything up to a
// position.
type milestone struct {
	at    revocation.Position
	heard time.Time
}

const (
	// milestones is how many are kept of a node. A position before the oldest
	// counts as reached with the oldest, which is later.
	milestones = 1024
	// forgetAfter is how long a node that is not heard is remembered. A node
	// without a bound is taken to be serving for as long.
	forgetAfter = 10 * time.Minute
	// mostPeers bounds what heartbeats can make a node remember.
	mostPeers = 4096
)

func (p *peer) inRoster(now time.Time) bool {
	return p.echo.Nonce >= p.admits && p.echo.Nonce > 0 && (p.echo.Unbounded || now.Sub(p.echoed) <= p.echo.MaxStaleness)
}

// isHeard reports whether it said something within its max_staleness.
func (p *peer) isHeard(now time.Time) bool {
	return !p.heard.IsZero() && now.Sub(p.heard) <= p.said.MaxStaleness
}

func (p *peer) isForgotten(now time.Time) bool {
	last := latest(p.heard, p.echoed)
	return now.Sub(last) > max(forgetAfter, 2*p.said.MaxStaleness, 2*p.echo.MaxStaleness)
}

func (p *peer) reach(at revocation.Position, now time.Time) {
	if n := len(p.reached); n > 0 && at.Compare(p.reached[n-1].at) <= 0 {
		return
	}
	if len(p.reached) == milestones {
		p.reached = append(p.reached[:0], p.reached[milestones/2:]...)
	}
	p.reached = append(p.reached, milestone{at, now})
}

// since is when the node was first known to enforce a position, or a little
// later. A position of a later epoch proves nothing: an epoch begins where an
// earlier one was lost.
func (p *peer) since(pos revocation.Position) (time.Time, bool) {
	i := sort.Search(len(p.reached), func(i int) bool { return p.reached[i].at.Compare(pos) >= 0 })
	if i == len(p.reached) || p.reached[i].at.Epoch != pos.Epoch {
		return time.Time{}, false
	}
	return p.reached[i].heard, true
}

// peer finds or makes one. The caller holds mu.
func (p *peers) peer(id string) *peer {
	if p.of == nil {
		p.of = make(map[string]*peer)
	}
	found := p.of[id]
	if found == nil {
		found = new(peer)
		p.of[id] = found
	}
	return found
}

// ticked takes a tick that was applied. A tick that does not echo its writer is
// that node's last: it has left.
func (p *peers) ticked(t *ledger.Tick, self string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := t.By != self
	for _, e := range t.Echoes {
		left = left && e.Node != t.By
		if e.Node == self {
			continue
		}
		if known := p.peer(e.Node); e.Nonce > known.echo.Nonce {
			known.echo, known.echoed = e, now
		}
	}
	if known := p.of[t.By]; left && known != nil {
		known.admits = math.MaxUint64
	}
	p.renew(now)
}

// heard takes a heartbeat of another node.
func (p *peers) heard(h *ledger.Heartbeat, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of[h.Node] == nil && len(p.of) >= mostPeers {
		return // it is not echoed, so it does not serve
	}
	known := p.peer(h.Node)
	if h.Nonce <= known.said.Nonce {
		return
	}
	if (h.State == Starting.String() || h.State == Fenced.String()) && h.State != known.said.State {
		known.calls = h.Nonce
	}
	known.said, known.heard = *h, now
	known.reach(h.Position, now)
	switch {
	case h.Leaving:
		known.admits = math.MaxUint64
	case h.State == Damaged.String():
		known.admits = max(known.admits, h.Nonce+1)
	default:
		return
	}
	p.renew(now)
}

// acknowledged takes how far a node enforces.
func (p *peers) acknowledged(node string, at revocation.Position, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.of[node]; known != nil {
		known.reach(at, now)
	}
}

// since is when a node was first known to enforce what stands at a position.
func (p *peers) since(node string, pos revocation.Position) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q := p.of[node]; q != nil {
		return q.since(pos)
	}
	return time.Time{}, false
}

// admits reports whether a node may be admitting requests.
func (p *peers) admits(node string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.of[node]
	return q != nil && q.inRoster(now)
}

// hasLeft reports whether a node has said that it admits nothing any more.
func (p *peers) hasLeft(node string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.of[node]
	return q != nil && q.echo.Nonce < q.admits
}

// renew makes the roster anew, if it has changed. The caller holds mu.
func (p *peers) renew(now time.Time) {
	made := new(roster)
	p.until = time.Time{}
	for id, q := range p.of {
		if !q.inRoster(now) {
			continue
		}
		made.members = append(made.members, member{id, q.echo.MaxStaleness, q.echo.Unbounded})
		if leaves := q.echoed.Add(q.echo.MaxStaleness); !q.echo.Unbounded && (p.until.IsZero() || leaves.Before(p.until)) {
			p.until = leaves
		}
	}
	slices.SortFunc(made.members, func(a, b member) int { return cmp.Compare(a.node, b.node) })
	if p.roster == nil || !p.roster.equal(made) {
		p.roster = made
	}
}

// rosterAt is the roster as it is now.
func (p *peers) rosterAt(now time.Time) *roster {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.roster == nil || !p.until.IsZero() && now.After(p.until) {
		p.renew(now)
	}
	return p.roster
}

// echoes are the newest nonces of the other nodes, for a tick of this one. They
// include members of the roster that are not heard, so that a node that starts
// learns of them.
func (p *peers) echoes(now time.Time) []ledger.Echo {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []ledger.Echo
	for id, q := range p.of {
		switch {
		case q.admits == math.MaxUint64:
		case q.isHeard(now) && q.said.Nonce > q.echo.Nonce && q.said.Nonce >= q.admits:
			all = append(all, ledger.Echo{Node: id, Nonce: q.said.Nonce, MaxStaleness: q.said.MaxStaleness, Unbounded: q.said.Unbounded})
		case q.inRoster(now) && now.Sub(q.echoed) <= q.echo.MaxStaleness: // a longer time would make nodes remind one another for ever
			all = append(all, q.echo)
		}
	}
	slices.SortFunc(all, func(a, b ledger.Echo) int { return cmp.Compare(a.Node, b.Node) })
	return all
}

// heardLately is how many other nodes are heard.
func (p *peers) heardLately(now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, q := range p.of {
		if q.isHeard(now) {
			n++
		}
	}
	return n
}

// calling reports whether a node that is heard waits for its first echo.
func (p *peers) calling(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.of {
		if q.calls > q.echo.Nonce && q.admits != math.MaxUint64 && q.isHeard(now) {
			return true
		}
	}
	return false
}

// facts are the bits that other nodes have told of an issuer.
func (p *peers) facts(issuer string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all uint64
	for _, q := range p.of {
		all |= q.said.Facts[issuer]
	}
	return all
}

// forget drops those that are long gone.
func (p *peers) forget(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.of)
	for id, q := range p.of {
		if q.isForgotten(now) {
			delete(p.of, id)
		}
	}
	if len(p.of) != before {
		p.renew(now)
	}
}

// leastEnforced is the position up to which every member of a roster enforces,
// and whether there are any members.
func (p *peers) leastEnforced(r *roster) (least revocation.Position, any bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, m := range r.members {
		var at revocation.Position
		if q := p.of[m.node]; q != nil && len(q.reached) > 0 {
			at = q.reached[len(q.reached)-1].at
		}
		if i == 0 || at.Compare(least) < 0 {
			least = at
		}
	}
	return least, len(r.members) > 0
}
