package account

import (
	"cmp"
	"iter"
	"sync"
	"time"

	"curfew.dev/curfew/revocation"
)

// DefaultSightings is the number of sessions remembered if Limit is zero.
const DefaultSightings = 100_000

// Sightings remembers the credentials that were verified last, one for each
// combination of issuer, subject, client, session and device. The zero value
// remembers [DefaultSightings] of them.
type Sightings struct {
	// Limit is the largest number of sessions to remember. Zero:
	// [DefaultSightings].
	Limit int
	// Now is the clock. Nil: the clock of the machine.
	Now func() time.Time

	mu        sync.Mutex
	seen      map[identity]*sighting
	front     *sighting            // of the ring of all sightings
	accounts  map[uint64]*sighting // fronts of the rings of accounts, by hash, so that a search reads one account only
	notes     uint64               // number of calls to Note so far
	forgotten bool
}

// Note remembers a sealed credential. The gateway calls it when it verifies a
// token, not on every request.
func (s *Sightings) Note(c *revocation.Credential) {
	id := identityOf(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().UnixMilli()
	seen := s.seen[id]
	if seen != nil {
		seen.update(c)
		s.leaveRings(seen)
	} else {
		seen = newSighting(c, now)
		s.begin(id, seen)
	}
	s.joinRings(seen)
	s.notes++
	seen.note, seen.last = s.notes, max(now, seen.last) // the clock may have been set back
}

func (s *Sightings) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// begin adds a sighting of a new session. At the limit it forgets the sighting
// that was not seen for the longest time.
func (s *Sightings) begin(id identity, seen *sighting) {
	if s.seen == nil {
		s.seen, s.accounts = make(map[identity]*sighting), make(map[uint64]*sighting)
	}
	if len(s.seen) >= cmp.Or(s.Limit, DefaultSightings) {
		oldest := s.front.links[ofAll].newer
		s.leaveRings(oldest)
		delete(s.seen, identityOf(&oldest.credential))
		s.forgotten = true
	}
	s.seen[id] = seen
}

func (s *Sightings) joinRings(seen *sighting) {
	hash := seen.credential.Hash()
	s.front = ofAll.push(s.front, seen)
	s.accounts[hash] = ofAccount.push(s.accounts[hash], seen)
}

func (s *Sightings) leaveRings(seen *sighting) {
	hash := seen.credential.Hash()
	s.front = ofAll.remove(s.front, seen)
	if front := ofAccount.remove(s.accounts[hash], seen); front != nil {
		s.accounts[hash] = front
	} else {
		delete(s.accounts, hash)
	}
}

// among returns every sighting that a target can match, and possibly others.
func (s *Sightings) among(t revocation.Target) iter.Seq[*sighting] {
	if hash, ok := t.Hash(); ok {
		return ofAccount.newestFirst(s.accounts[hash])
	}
	return ofAll.newestFirst(s.front)
}

// Have reports whether asked is true for a sighting that the target matches. It
// returns false for a target without a subject, because it would have to read
// every sighting.
func (s *Sightings) Have(t revocation.Target, asked func(*revocation.Credential) bool) bool {
	if _, ok := t.Hash(); !ok {
		return false
	}
	match := t.Matcher()
	s.mu.Lock()
	defer s.mu.Unlock()
	for seen := range s.among(t) {
		if match(&seen.credential) && asked(&seen.credential) {
			return true
		}
	}
	return false
}
