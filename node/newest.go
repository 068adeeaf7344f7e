package node

import (
	"context"
	"maps"
	"sync"
	"time"

	"curfew.dev/curfew/revocation"
)

// newest holds the newest instants that this node knows of. They only grow, so
// they show when a clock is behind, or was set back. The zero value knows none.
type newest struct {
	mu sync.Mutex
	// verified is the newest iat or auth_time of each issuer that a node of the
	// fleet has verified, in Unix seconds.
	verified map[string]int64
	recorded int64     // the newest instant in the ledger, in Unix milliseconds
	stamp    time.Time // the newest on a message of the log that nodes share
	unsaved  bool
	doubts   [numDoubts]bool // the observer was told of
}

// NewestStore keeps the newest verified instants over restarts. They only tell a
// node that its clock is behind, so the store handles its errors itself.
type NewestStore interface {
	// Load returns the instants that were saved, nil if there are none or they
	// can't be read.
	Load() map[string]int64
	// Save replaces them, and reports whether it did.
	Save(map[string]int64) bool
}

// ClockDoubt is a reason to think that a clock is wrong.
type ClockDoubt uint8

// The doubts.
const (
	// ClockBehind: tokens were verified, or records written, that are newer than
	// this node's clock.
	ClockBehind ClockDoubt = iota
	// LedgerAhead: the newest instant in the ledger is so far beyond this node's
	// clock that no cut takes it over.
	LedgerAhead
	// ClaimAhead: another node says that it verified a token so far beyond this
	// node's clock that this node ignores the claim.
	ClaimAhead

	numDoubts
)

// Verified notes a credential that this node has verified, before it admits it.
// Later cuts of its issuer that this node writes are no earlier than its instants.
// Two heartbeats later, neither are those of other nodes.
func (n *Node) Verified(c *revocation.Credential) {
	n.newest.mu.Lock()
	defer n.newest.mu.Unlock()
	n.newest.raise(c.Issuer, max(c.IssuedAt, c.AuthTime))
}

// raise notes a verified instant. The caller holds mu.
func (x *newest) raise(issuer string, at int64) {
	if at <= x.verified[issuer] {
		return
	}
	if x.verified == nil {
		x.verified = make(map[string]int64)
	}
	x.verified[issuer] = at
	x.unsaved = true
}

// note takes the instants of an entry of the ledger.
func (x *newest) note(e *revocation.Entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range e.Records {
		x.recorded = max(x.recorded, e.Records[i].Newest())
	}
}

// stamped notes the stamp of a message of the log that nodes share.
func (x *newest) stamped(at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stamp = latest(x.stamp, at)
}

// known is the instants that this node tells the others.
func (x *newest) known() map[string]int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.verified)
}

// claimed takes the instants that another node says were verified, of the issuers
// that are configured here. A node that is broken into could claim anything, and a
// claim gets into records for good. So it counts only up to a bound beyond this
// node's clock or the log's, whichever is later.
func (n *Node) claimed(verified map[string]int64, now time.Time) {
	x, skews := &n.newest, n.settings.Load().Skews
	x.mu.Lock()
	last := latest(now, x.stamp).Add(revocation.MostAhead)
	var worst time.Duration
	for issuer, at := range verified {
		if _, configured := skews[issuer]; !configured {
			continue
		}
		if beyond := time.Unix(at, 0).Sub(last); beyond > 0 {
			worst = max(worst, beyond+revocation.MostAhead)
			continue
		}
		x.raise(issuer, at)
	}
	x.mu.Unlock()
	if worst > 0 {
		n.doubt(ClaimAhead, worst)
	}
}

// Instant is the instant of a cut or step-up that is made now, for an issuer or,
// without one, for all of them. It is now, or the newest instant that this node
// knows if that is later: a cut must hit everything that was verified before it,
// whatever the clocks did. A wrong record far ahead must not lock people out for
// as long, so instants of the ledger count only within [revocation.MostAhead].
func (n *Node) Instant(issuer string, now time.Time) time.Time {
	n.doubtClock(now)
	x := &n.newest
	x.mu.Lock()
	defer x.mu.Unlock()
	at := latest(now, x.newestOf(issuer))
	if recorded := time.UnixMilli(x.recorded); recorded.Sub(now) <= revocation.MostAhead {
		at = latest(at, recorded)
	}
	return at
}

// newestOf is the newest verified instant of an issuer or, without one, of all.
// The caller holds mu.
func (x *newest) newestOf(issuer string) time.Time {
	newest := x.verified[issuer]
	if issuer == "" {
		for _, at := range x.verified {
			newest = max(newest, at)
		}
	}
	return time.Unix(newest, 0)
}

// ClockBehind is by how much the newest instant that this node knows is beyond its
// clock. It is 0 if clocks that are right explain the difference. Otherwise the
// clock is behind by at least as much.
func (n *Node) ClockBehind(now time.Time) time.Duration {
	skews := n.settings.Load().Skews
	x := &n.newest
	x.mu.Lock()
	defer x.mu.Unlock()
	var behind, widest time.Duration
	for issuer, at := range x.verified {
		widest = max(widest, skews[issuer])
		if by := time.Unix(at, 0).Sub(now); by > skews[issuer]+worstOffset {
			behind = max(behind, by)
		}
	}
	// A record may have taken over what was verified, with the skew.
	if by := time.UnixMilli(x.recorded).Sub(now); by > widest+worstOffset && by <= revocation.MostAhead {
		behind = max(behind, by)
	}
	return behind
}

// doubtClock tells the observer of doubts about the clock that are new, or over.
func (n *Node) doubtClock(now time.Time) {
	n.doubt(ClockBehind, n.ClockBehind(now))
	n.newest.mu.Lock()
	by := time.UnixMilli(n.newest.recorded).Sub(now)
	n.newest.mu.Unlock()
	if by <= revocation.MostAhead {
		by = 0
	}
	n.doubt(LedgerAhead, by)
}

// doubt tells the observer of a doubt that is new, or over: by 0.
func (n *Node) doubt(d ClockDoubt, by time.Duration) {
	x := &n.newest
	x.mu.Lock()
	changed := x.doubts[d] != (by > 0)
	x.doubts[d] = by > 0
	x.mu.Unlock()
	if changed {
		n.cfg.Observer.Doubted(d, by)
	}
}

// saveEvery is how often the verified instants are saved if they have changed.
// With the time that it takes, the file is at most 1 s old.
const saveEvery = 750 * time.Millisecond

// keepNewest saves the verified instants, and checks the clock, until ctx ends.
func (n *Node) keepNewest(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	defer n.saveNewest()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n.saveNewest()
		n.doubtClock(n.cfg.Now())
	}
}

func (n *Node) saveNewest() {
	if n.cfg.Newest == nil {
		return
	}
	x := &n.newest
	x.mu.Lock()
	var save map[string]int64
	if x.unsaved {
		save = maps.Clone(x.verified)
	}
	x.unsaved = false
	x.mu.Unlock()
	if save == nil || n.cfg.Newest.Save(save) {
		return
	}
	x.mu.Lock()
	x.unsaved = true
	x.mu.Unlock()
}

// loadNewest takes the instants that were saved before this start.
func (n *Node) loadNewest() {
	if n.cfg.Newest == nil {
		return
	}
	saved := n.cfg.Newest.Load()
	x := &n.newest
	x.mu.Lock()
	defer x.mu.Unlock()
	unsaved := x.unsaved
	for issuer, at := range saved {
		x.raise(issuer, at)
	}
	x.unsaved = unsaved
}
