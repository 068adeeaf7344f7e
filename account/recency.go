package account

import "iter"

// recency is a ring that sightings are in, from the one that was noted last,
// its front, round to the one that was not for the longest, which is before the
// front. An empty ring has no front.
type recency uint8

const (
	ofAll recency = iota
	ofAccount

	numRings
)

type links struct{ newer, older *sighting }

// push makes a sighting that is not in the ring its front.
func (r recency) push(front, s *sighting) *sighting {
	if front == nil {
		s.links[r] = links{s, s}
		return s
	}
	oldest := front.links[r].newer
	s.links[r] = links{oldest, front}
	oldest.links[r].older, front.links[r].newer = s, s
	return s
}

// remove takes a sighting out that is in the ring, and returns the front.
func (r recency) remove(front, s *sighting) *sighting {
	beside := s.links[r]
	if beside.older == s {
		return nil
	}
	beside.newer.links[r].older, beside.older.links[r].newer = beside.older, beside.newer
	if front == s {
		return beside.older
	}
	return front
}

// newestFirst goes round the ring once.
func (r recency) newestFirst(front *sighting) iter.Seq[*sighting] {
	return func(yield func(*sighting) bool) {
		for s := front; s != nil && yield(s); {
			if s = s.links[r].older; s == front {
				return
			}
		}
	}
}
