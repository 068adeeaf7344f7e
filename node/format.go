package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// ErrFormat: a node of the cluster is too old to read a record, so the record is
// not written. It is wrapped together with [ledger.ErrUnavailable].
var ErrFormat = errors.New("the cluster has nodes that can't read this record")

// firstFormat is the format of a node that tells none.
const firstFormat = 1

// checkFormat refuses records that another node can't read: that node would stop
// serving as soon as it came upon them. A node that starts later is not known
// yet. It stops as well, and skips nothing.
func (n *Node) checkFormat(f *follower, records []revocation.Record) error {
	needed := firstFormat
	for i := range records {
		needed = max(needed, n.formatOf(&records[i]))
	}
	if f == nil || needed == firstFormat {
		return nil
	}
	if !f.isSettled() {
		return fmt.Errorf("%w: the record needs format %d, and this node has just started: it does not know yet what the others read",
			ledger.ErrUnavailable, needed)
	}
	if old := n.peers.below(needed, n.cfg.Now()); len(old) > 0 {
		return fmt.Errorf("%w: %w: it needs format %d; too old are %s: upgrade these nodes or stop them, and retry",
			ledger.ErrUnavailable, ErrFormat, needed, strings.Join(old, ", "))
	}
	return nil
}

// below names the nodes that may be serving, or are heard and would like to, and
// read only formats below one. A node that was never heard may be of any age.
func (p *peers) below(format int, now time.Time) (old []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, q := range p.of {
		counts := q.inRoster(now) || q.isHeard(now) && q.said.Nonce >= q.admits
		if counts && q.format() < format {
			old = append(old, fmt.Sprintf("%s (format %d)", id, q.format()))
		}
	}
	slices.Sort(old)
	return old
}

// format is the newest format that the node reads, as it said last.
func (p *peer) format() int { return max(firstFormat, p.said.Format) }
