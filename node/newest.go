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

// NewestStore keeps what was verified over restarts. Nothing depends on it but
// how well a node knows that its clock is behind, so its errors are its own
// business.
type NewestStore interface {
	// Load returns what was saved, nil where nothing was or it can't be read.
	Load() map[string]int64
	// Save replaces what was saved, and reports whether that came about.
	Save(map[string]int64) bool
}

// ClockDoubt is something that makes a clock look wrong.
type ClockDoubt uint8

// The doubts.
const (
	// ClockBehind: tokens were verified, or records written, that are newer than
	// this node's clock.
	ClockBehind ClockDoubt = iota
	// LedgerAhead: the newest instant in the ledger is so far beyond this node's
	// clock that no cut takes it over.
	LedgerAhead
	// ClaimAhead: another node says that it verified a token that is so far
	// beyond this node's clock that it is not believed.
	ClaimAhead

	numDoubts
)

// Verified notes a credential that this node has verified, before it admits it.
// Every later cut of its issuer that this node writes is no earlier than its
// instants are; so is, two heartbeats on, that of any other node.
func (n *Node) Verified(c *revocation.Credential) {
	n.newest.mu.Lock()
	defer n.newest.mu.Unlock()
	n.newest.raise(c.Issuer, max(c.IssuedAt, c.AuthTime))
}

// raise notes what was verified. The caller holds mu.
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

// known is what this node tells the others.
func (x *newest) known() map[string]int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.verified)
}

// claimed takes what another node says was verified, of the issuers that are
// configured here. A node that is broken into could say anything, and what is
// said ends up in records that nothing takes back: a claim is believed that is
// not far beyond this node's clock, or the log's, which is another.
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
// where there is none, for all of them. It is now, unless this node knows that
// to be too early: a cut must hit everything that was verified before it,
// whatever the clocks did. A wrong record far ahead must not lock people out for
// as long, so what the ledger says counts only within [revocation.MostAhead].
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

// newestOf is the newest that was verified of an issuer or, where there is none,
// of all. The caller holds mu.
func (x *newest) newestOf(issuer string) time.Time {
	newest := x.verified[issuer]
	if issuer == "" {
		for _, at := range x.verified {
			newest = max(newest, at)
		}
	}
	return time.Unix(newest, 0)
}

// ClockBehind is by how much the newest instant that this node knows is beyond
// its clock, where that is more than clocks that are right account for; else 0.
// The clock is behind by that much, or more.
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

// doubtClock tells the observer what has changed about the clock.
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

// saveEvery is how often what was verified is saved, if it has changed. With the
// time that it takes, what is saved is at most 1 s old.
const saveEvery = 750 * time.Millisecond

// keepNewest saves what was verified, and looks at the clock, until ctx ends.
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

// loadNewest takes what was saved before this start.
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
