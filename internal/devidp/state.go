package devidp

import (
	"sync"
	"time"
)

// The limits of the tables and the lifetimes of their values.
const (
	maxSessions = 1024
	maxCodes    = 1024
	maxGrants   = 4096

	codeLifetime    = time.Minute
	sessionLifetime = 30 * 24 * time.Hour
	grantLifetime   = 30 * 24 * time.Hour
)

// session is the state of one browser.
type session struct {
	Authentication authentication `json:"authentication"`
	// Cookie is the digest of the cookie's value.
	Cookie  string `json:"cookie"`
	Expires int64  `json:"expires"`
}

// grant is the family of refresh tokens that came from one authorization code.
// It keeps only the digest of the newest secret. A token with the grant's id
// and another secret is an old token that is used again.
type grant struct {
	ID             string         `json:"id"`
	Authentication authentication `json:"authentication"`
	ACR            string         `json:"acr"`
	Client         string         `json:"client"`
	Scope          []string       `json:"scope"`
	Secret         string         `json:"secret"`
	Expires        int64          `json:"expires"`
}

// code is an authorization code that was issued to a client.
type code struct {
	Digest         string
	Authentication authentication
	ACR            string
	Client         string
	RedirectURI    string
	Challenge      string
	Nonce          string
	Scope          []string
	Expires        int64

	// A code is spent when it is first presented, whatever the outcome. Grant
	// is the grant that it gave. Presenting the code again ends that grant.
	Spent bool
	Grant string
}

// state is the provider's changing state. Codes live for a minute and are not
// saved.
type state struct {
	keys     keyring
	sessions *capped[session]
	grants   *capped[grant]
	codes    *capped[code]
}

func newState() state {
	return state{
		sessions: newCapped(maxSessions, func(s session) string { return s.Cookie }),
		grants:   newCapped(maxGrants, func(g grant) string { return g.ID }),
		codes:    newCapped(maxCodes, func(c code) string { return c.Digest }),
	}
}

// store guards the state and saves it.
type store struct {
	file stateFile

	mu    sync.Mutex
	state state // guarded by mu
}

// view calls f with the state. f may change codes only, because view saves
// nothing.
func (s *store) view(f func(*state)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.state)
}

// update calls f and saves the state before it returns. It saves even if f
// failed, because a refusal may have revoked a grant.
func (s *store) update(f func(*state) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	refusal := f(&s.state)
	if err := s.file.save(s.state); err != nil {
		return err
	}
	return refusal
}
