package node

import (
	"time"

	"curfew.dev/curfew/ledger"
)

// DefaultMaxStaleness is how stale a node may be by default.
const DefaultMaxStaleness = 30 * time.Second

// Settings are the part of a configuration that concerns its node. The zero value
// is the defaults.
type Settings struct {
	// MaxStaleness is how long a node serves without proof that it is fresh;
	// 0 is [DefaultMaxStaleness]. A local ledger is always fresh.
	MaxStaleness time.Duration
	// Unbounded serves beyond it (on_stale allow). Receipts have no bound then.
	Unbounded bool
	// Expect is how many nodes there should be; while fewer are in the roster,
	// receipts are partial. 0: any number will do.
	Expect int
	// Version and ConfigDigest are told to the other nodes.
	Version, ConfigDigest string
	// Skews are the clock skews of the issuers that are configured. Claims of
	// nodes about other issuers are ignored.
	Skews map[string]time.Duration
	// SealingKeys returns the ids of the sealing keys, which are told to the other
	// nodes; nil: there are none.
	SealingKeys func() []string
	// Issuers says whether the keys of each issuer are there; nil: nobody asks.
	Issuers func() []ledger.IssuerStatus
}

func (s Settings) withDefaults() Settings {
	if s.MaxStaleness <= 0 {
		s.MaxStaleness = DefaultMaxStaleness
	}
	return s
}

// sealingKeys are the ids of the keys that seal and open now.
func (s *Settings) sealingKeys() []string {
	if s.SealingKeys == nil {
		return nil
	}
	return s.SealingKeys()
}

// issuers are the issuers of the configuration in force.
func (s *Settings) issuers() []ledger.IssuerStatus {
	if s.Issuers == nil {
		return nil
	}
	return s.Issuers()
}

// Intervals are an eighth of max_staleness, so that a few lost messages fence
// nobody, and never longer than a second.
const (
	perStaleness    = 8
	longestInterval = time.Second
)

// interval is the time between heartbeats of a node, and between ticks.
func (s *Settings) interval() time.Duration {
	return min(max(s.MaxStaleness/perStaleness, time.Millisecond), longestInterval)
}

// Configure takes the settings of a configuration, at each load. Stricter settings
// hold from now on. A longer max_staleness and on_stale allow hold with the next
// proof of freshness, when all nodes can know them: receipts that were given out
// promise a bound.
func (n *Node) Configure(s Settings) {
	s = s.withDefaults()
	n.settings.Store(&s)
	n.fresh.configure(s.MaxStaleness, s.Unbounded)
	if f := n.follower.Load(); f != nil {
		f.lookNow()
	}
}
