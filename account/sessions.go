package account

import (
	"time"

	"curfew.dev/curfew/revocation"
)

// Query asks for sessions of one account.
type Query struct {
	// Issuer and Subject are the account. Required.
	Issuer, Subject string
	// Client and Session narrow it to those of a client, and to those of a sid.
	// Empty: all.
	Client, Session string
	// Before is the Place of the last session that was found before; zero: from
	// the newest on.
	Before uint64
	// Limit is how many are wanted.
	Limit int
}

// Session is what was seen of one session; where tokens name none, of one
// client on one device.
type Session struct {
	// Credential is from the newest sign-in, and of that the newest, that was
	// presented. It is sealed, has no identifiers of a single token, no tenant,
	// scope and audiences, and must not be changed.
	Credential revocation.Credential
	// FirstSeen and LastSeen are when a token of it was verified, in
	// milliseconds. A token that is known already is not verified again, so
	// requests may have come later.
	FirstSeen, LastSeen time.Time
	// Place is where the session stands, see [Query.Before]. It moves to the
	// front whenever the session is seen.
	Place uint64
}

// Sessions finds sessions of an account, those that were seen last first.
// Incomplete says that sightings were forgotten for want of room: sessions may
// be missing, and others may have been seen before they were first.
func (s *Sightings) Sessions(q Query) (found []Session, incomplete bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for seen := range s.among(revocation.Target{Issuer: q.Issuer, Subject: q.Subject}) {
		if len(found) == q.Limit {
			break
		}
		if q.matches(seen) {
			found = append(found, Session{seen.credential, time.UnixMilli(seen.first), time.UnixMilli(seen.last), seen.note})
		}
	}
	return found, s.forgotten
}

func (q *Query) matches(s *sighting) bool {
	c := &s.credential
	return c.Issuer == q.Issuer && c.Subject == q.Subject && (q.Before == 0 || s.note < q.Before) &&
		(q.Client == "" || c.Client == q.Client) && (q.Session == "" || c.Session == q.Session)
}
