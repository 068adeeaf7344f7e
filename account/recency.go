package account

import "iter"

// recency is a ring of sightings, ordered by their last note. The front is the
// newest sighting. The oldest sighting comes just before the front. An empty
// ring has a nil front.
type recency uint8

const (
	ofAll recency = iota
	ofAccount

	numRings
)

type links struct{ newer, older *sighting }

// push adds a sighting that is not in the ring, and returns it as the new
// front.
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

// remove takes a sighting out of its ring and returns the front that remains,
// which is nil once the ring is empty.
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

// newestFirst yields each sighting of the ring once, the newest first.
func (r recency) newestFirst(front *sighting) iter.Seq[*sighting] {
	return func(yield func(*sighting) bool) {
		for s := front; s != nil && yield(s); {
			if s = s.links[r].older; s == front {
				return
			}
		}
	}
}
