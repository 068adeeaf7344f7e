package login

import (
	"cmp"
	"net/http"
	"time"

	"curfew.dev/curfew/token"
)

// Session is a browser session that was opened. All but Clean and Memo is
// read-only, and requests share it.
type Session struct {
	// Verified holds a credential whose TokenID begins with cs_. It has no audience,
	// and expires at the end of the session's lifetime. The claims that are kept are
	// those that the configuration names.
	token.Verified

	signIn *SignIn
	host   string
	cookie string // as it was sent
	keyID  string
	facts  *facts
}

// SignIn is the sign-in that made the session.
func (s *Session) SignIn() *SignIn { return s.signIn }

// Name is what the provider calls the person; empty if it does not.
func (s *Session) Name() string { return s.facts.Person }

// Person names the person on pages: as the provider does, else by subject.
func (s *Session) Person() string { return s.facts.person() }

func (f *facts) person() string { return cmp.Or(f.Person, f.Subject) }

// over reports whether the session's time is over, by its lifetime or for want of
// use.
func (s *Session) over(now time.Time) bool {
	at := now.Unix()
	return at >= s.facts.Expires || at >= s.facts.Sealed+int64(s.signIn.config.idle()/time.Second)
}

// Due reports whether a tenth of the idle time has passed since the session was
// sealed.
func (s *Session) Due(now time.Time) bool {
	return now.Unix() >= s.facts.Sealed+int64(s.signIn.config.idle()/(10*time.Second))
}

// Renew sets the cookie of the session sealed anew, and makes the response
// private and no-store. Call it when a response begins that is neither a 1xx nor
// a 304, if the session is due, and admitted at that moment. secure tells which
// of our cookies it was.
func (s *Session) Renew(h http.Header, secure bool, now time.Time) {
	renewed := *s.facts
	renewed.Sealed = max(now.Unix(), renewed.Sealed) // a slow clock must not shorten it
	value, err := s.signIn.seal(&renewed, s.host, now)
	if err != nil {
		s.signIn.log().Error("a session can't be sealed anew: it ends when it has not been used for idle", "sign_in", s.signIn.Name(), "error", err)
		return
	}
	s.signIn.setSession(h, CookiesOf(secure).Session, value, &renewed, now)
	h.Set("Cache-Control", "private, no-store")
	h.Del("CDN-Cache-Control")
	h.Del("Surrogate-Control")
}

// setSession sets the cookie of a session.
func (s *SignIn) setSession(h http.Header, name, value string, f *facts, now time.Time) {
	var age time.Duration
	if s.config.Persistent {
		age = min(s.config.idle(), time.Duration(f.Expires-now.Unix())*time.Second)
	}
	setCookie(h, name, value, age)
}

// cost is the memory that the session holds on to, in bytes.
func (s *Session) cost() int64 { return int64(sessionOverhead + 3*len(s.cookie)) }

// Problem is why a cookie is no session.
type Problem uint8

// The problems.
const (
	// Fine is no problem.
	Fine Problem = iota
	// Absent: there is no cookie.
	Absent
	// Damaged: none of our keys has sealed it for this host; or there are two.
	Damaged
	// RunOut: its time is over, or it lacks a claim that was named since.
	RunOut
	// Unknown: its version or its key is not known here. A rotation of keys may
	// explain that.
	Unknown

	numProblems
)

// Deletes reports whether the browser is to be told to delete the cookie. One of
// an unknown key is left alone: another node may know it.
func (p Problem) Deletes() bool { return p == Damaged || p == RunOut }

// String is the name in metrics.
func (p Problem) String() string {
	return [numProblems]string{"valid", "absent", "damaged", "expired", "unknown_key"}[p]
}

// Problems lists every one, so that metrics can be pre-initialised.
func Problems() []Problem {
	var all []Problem
	for p := Fine; p < numProblems; p++ {
		all = append(all, p)
	}
	return all
}
