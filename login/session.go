package login

import (
	"net/http"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/revocation"
)

// Session is a browser session that was opened. All but Clean and Memo is
// read-only, and requests share it.
type Session struct {
	// Credential is sealed. Its TokenID begins with cs_, it has no audience, and
	// it expires at the end of the session's lifetime.
	Credential revocation.Credential
	// Clean and Memo are those of a verified token.
	Clean atomic.Uint64
	Memo  atomic.Value

	signIn *SignIn
}

// SignIn is the sign-in that made the session.
func (s *Session) SignIn() *SignIn { return s.signIn }

// Due reports whether a tenth of the idle time has passed since the session was
// sealed.
func (s *Session) Due(now time.Time) bool { return false }

// Renew sets the cookie of the session sealed anew, and makes the response
// private and no-store. Call it when a response begins that is neither a 1xx nor
// a 304, if the session is due, and admitted at that moment.
func (s *Session) Renew(h http.Header, now time.Time) {}

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
)

// Deletes reports whether the browser is to be told to delete the cookie. One of
// an unknown key is left alone: another node may know it.
func (p Problem) Deletes() bool { return p == Damaged || p == RunOut }

// String is the name in metrics.
func (p Problem) String() string {
	return [...]string{"valid", "absent", "damaged", "expired", "unknown_key"}[p]
}
