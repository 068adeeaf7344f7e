package account

import (
	"time"

	"curfew.dev/curfew/revocation"
)

// Query selects sessions of one account.
type Query struct {
	// Issuer and Subject name the account. Required.
	Issuer, Subject string
	// Client and Session select the sessions of one client and of one sid.
	// Empty: all.
	Client, Session string
	// Before is the Place of the last session of the previous answer. Zero:
	// begin with the newest.
	Before uint64
	// Limit is the largest number of sessions to return.
	Limit int
}

// Session is one session as this gateway has seen it. If the tokens name no
// session, it is one client on one device.
type Session struct {
	// Credential is the newest credential that was presented, from the newest
	// sign-in. It is sealed. It has no identifiers of a single token, no
	// tenant, no scope and no audiences. The caller must not change it.
	Credential revocation.Credential
	// FirstSeen and LastSeen are the times at which tokens of the session were
	// verified, in milliseconds. A cached token is not verified again, so later
	// requests do not change LastSeen.
	FirstSeen, LastSeen time.Time
	// Place is the position of the session in the order of [Query.Before]. It
	// changes whenever the session is seen, because the session then becomes
	// the newest.
	Place uint64
}

// Sessions returns sessions of an account, the one that was seen last first.
// Incomplete reports that sightings were forgotten to stay within the limit:
// sessions may be missing, and FirstSeen may be later than the true time.
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
