package signals

import (
	"crypto/sha256"
	"sync"
	"time"
)

// seen remembers the signals that were accepted, until they could not be accepted
// again anyhow. It spares a write where a provider repeats itself, and decides
// nothing: a signal that was forgotten has the same effect once more. So it is
// bounded, and may forget. The zero value is empty.
type seen struct {
	mu  sync.Mutex
	all map[[32]byte]time.Time // when it may be forgotten
}

// maxSeen bounds a memory of about 64 bytes each.
const maxSeen = 1 << 16

// seenID is one id for each issuer and jti.
func seenID(issuer, jti string) [32]byte { return sha256.Sum256([]byte(issuer + "\n" + jti)) }

func (s *seen) has(id [32]byte, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.all[id]
	return ok && now.Before(until)
}

func (s *seen) add(id [32]byte, until, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil || len(s.all) >= maxSeen {
		s.forget(now)
	}
	s.all[id] = until
}

// forget removes what is over and, where that is not enough, everything.
func (s *seen) forget(now time.Time) {
	for id, until := range s.all {
		if !now.Before(until) {
			delete(s.all, id)
		}
	}
	if s.all == nil || len(s.all) >= maxSeen/2 {
		s.all = make(map[[32]byte]time.Time)
	}
}
