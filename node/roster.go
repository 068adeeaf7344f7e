package node

import (
	"slices"
	"time"
)

// roster is the instances that may be admitting requests without knowing what
// comes next, apart from this one. It is never changed.
type roster struct{ members []member } // by name

type member struct {
	node string
	// maxStaleness and unbounded are what all nodes were told of it.
	maxStaleness time.Duration
	unbounded    bool
}

// bound is how long after a record none of them admits what it refuses, and
// whether there is such a time. The node that asks is one of them.
func (r *roster) bound(own *Settings) (time.Duration, bool) {
	longest, bounded := own.MaxStaleness, !own.Unbounded
	for _, m := range r.members {
		longest, bounded = max(longest, m.maxStaleness), bounded && !m.unbounded
	}
	return longest, bounded
}

func (r *roster) equal(s *roster) bool { return slices.Equal(r.members, s.members) }
