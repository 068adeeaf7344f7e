package account

import (
	"slices"
	"strings"
	"sync"

	"curfew.dev/curfew/revocation"
)

// DefaultSightings is how many sessions are remembered where nothing is said.
const DefaultSightings = 100_000

// Sightings remembers the credentials that were verified lately, one for each
// combination of issuer, subject, client, session and device. The zero value
// remembers [DefaultSightings] of them.
type Sightings struct {
	// Limit is the largest number remembered; zero is the default.
	Limit int

	mu        sync.Mutex
	seen      map[sighting]*revocation.Credential
	order     []sighting // in order of first sight, oldest first
	forgotten bool
	undated   map[string]bool // issuers of tokens without auth_time
}

type sighting struct{ issuer, subject, client, session, device string }

// Note remembers a sealed credential. It is called when a token is verified,
// not on every request.
func (s *Sightings) Note(c *revocation.Credential) {
	id := sighting{c.Issuer, c.Subject, c.Client, c.Session, c.Device}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[sighting]*revocation.Credential)
	}
	if c.AuthTime == 0 && !s.undated[c.Issuer] {
		if s.undated == nil {
			s.undated = make(map[string]bool)
		}
		s.undated[strings.Clone(c.Issuer)] = true
	}
	kept, known := s.seen[id]
	if !known {
		s.makeRoom()
		id, kept = id.clone(), new(revocation.Credential)
		s.order = append(s.order, id)
		s.seen[id] = kept
	} else {
		id = sighting{kept.Issuer, kept.Subject, kept.Client, kept.Session, kept.Device}
	}
	*kept = id.of(c)
}

// clone is of strings of its own: those of a credential share the memory of the
// whole token.
func (id sighting) clone() sighting {
	return sighting{
		strings.Clone(id.issuer), strings.Clone(id.subject), strings.Clone(id.client),
		strings.Clone(id.session), strings.Clone(id.device),
	}
}

// of is what is remembered of a credential: whose it is, and the sealed keys by
// which targets match it.
func (id sighting) of(c *revocation.Credential) revocation.Credential {
	mine := *c
	mine.Issuer, mine.Subject, mine.Client, mine.Session, mine.Device = id.issuer, id.subject, id.client, id.session, id.device
	mine.Tenant, mine.TokenID, mine.KeyID, mine.JKT, mine.X5TS256, mine.ACR = "", "", "", "", "", ""
	mine.AMR, mine.Scope, mine.Audiences = nil, nil, nil
	return mine
}

// WithoutAuthTime reports whether a token of an issuer came without auth_time,
// so that a sign-in can't always be told from a refresh.
func (s *Sightings) WithoutAuthTime(issuer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.undated[issuer]
}

// makeRoom forgets the oldest tenth once the limit is reached.
func (s *Sightings) makeRoom() {
	limit := s.Limit
	if limit == 0 {
		limit = DefaultSightings
	}
	if len(s.order) < limit {
		return
	}
	gone := max(1, limit/10)
	for _, id := range s.order[:gone] {
		delete(s.seen, id)
	}
	s.order = slices.Clone(s.order[gone:])
	s.forgotten = true
}

// Reach is what a target would hit, as far as it was seen.
type Reach struct {
	Accounts int
	Sessions int
	Devices  int
	// Incomplete says that sightings were forgotten for want of room, so the
	// numbers are lower bounds.
	Incomplete bool
}

// Reach counts the distinct accounts, sessions and devices among the sightings
// that the target matches, leaving out the exempt clients.
func (s *Sightings) Reach(t revocation.Target, exempt []string) Reach {
	match := t.Matcher()
	accounts := make(map[[2]string]struct{})
	sessions := make(map[[2]string]struct{})
	devices := make(map[[2]string]struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.seen {
		if !match(c) || slices.Contains(exempt, c.Client) {
			continue
		}
		accounts[[2]string{c.Issuer, c.Subject}] = struct{}{}
		if c.Session != "" {
			sessions[[2]string{c.Issuer, c.Session}] = struct{}{}
		}
		if c.Device != "" {
			devices[[2]string{c.Issuer, c.Device}] = struct{}{}
		}
	}
	return Reach{Accounts: len(accounts), Sessions: len(sessions), Devices: len(devices), Incomplete: s.forgotten}
}
