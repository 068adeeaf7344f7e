package node

import (
	"slices"
	"time"
)

// roster is the other instances that may be admitting requests without the next
// record. It is never changed.
type roster struct{ members []member } // by name

type member struct {
	node string
	// maxStaleness and unbounded are its own, as all nodes were told.
	maxStaleness time.Duration
	unbounded    bool
}

// bound is how long after a record every member and this node refuse what the
// record refuses, and whether there is such a time.
func (r *roster) bound(own *Settings) (time.Duration, bool) {
	longest, bounded := own.MaxStaleness, !own.Unbounded
	for _, m := range r.members {
		longest, bounded = max(longest, m.maxStaleness), bounded && !m.unbounded
	}
	return longest, bounded
}

func (r *roster) equal(s *roster) bool { return slices.Equal(r.members, s.members) }
