package login

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/revocation"
)

// The purposes of sealed texts.
const (
	forSession = "curfew browser session"
	forDevice  = "curfew browser device"
	forState   = "curfew sign-in state"
	forFinish  = "curfew device at finish"
)

// bind makes the facts that a sealed text holds to. No two lists have the same.
func bind(values ...string) []byte {
	var b []byte
	for _, v := range values {
		b = binary.AppendUvarint(b, uint64(len(v)))
		b = append(b, v...)
	}
	return b
}

// Open returns the session of a cookie that was sent to a host, which has the
// form of [HostOf]. hit tells that it was remembered; then nothing is allocated.
// A session is nil if and only if there is a problem. It is no more than
// authentic and in its time: whether it is admitted is for the index and the
// policies to decide.
func (all *SignIns) Open(cookie, host string, now time.Time) (s *Session, hit bool, problem Problem) {
	if cookie == "" {
		return nil, false, Absent
	}
	keys := all.keys.at(now)
	if s := all.cache.get(cookie, host); s != nil && keys.Has(s.keyID) {
		if s.over(now) {
			return nil, true, RunOut
		}
		return s, true, Fine
	}
	s, problem = all.open(keys, cookie, host, now)
	all.deps.Observer.Cookie(problem)
	if problem == Fine {
		all.cache.put(s, now)
	}
	return s, false, problem
}

// Anywhere opens a cookie of a session that is good at any of the hosts. It is for
// an explanation, and remembers nothing.
func (all *SignIns) Anywhere(cookie string, now time.Time) (s *Session, host string) {
	for _, of := range all.named {
		for _, host := range of.hosts() {
			if s, problem := all.open(all.keys.at(now), cookie, host, now); problem == Fine {
				return s, host
			}
		}
	}
	return nil, ""
}

func (all *SignIns) open(keys seal.Keys, cookie, host string, now time.Time) (*Session, Problem) {
	if len(cookie) > maxCookie {
		return nil, Damaged // we make none so long
	}
	text, err := keys.Open(forSession, cookie, bind(host))
	switch {
	case errors.Is(err, seal.ErrUnknownKey):
		return nil, Unknown
	case err != nil:
		return nil, Damaged
	}
	f := new(facts)
	if err := json.Unmarshal(text, f); err != nil {
		return nil, Damaged
	}
	of := all.named[f.SignIn]
	if of == nil || !of.stillMakes(f) {
		return nil, RunOut
	}
	s := &Session{signIn: of, facts: f, host: strings.Clone(host), cookie: strings.Clone(cookie)} // not the request's whole header
	s.Credential, s.Type = f.credential(), revocation.IDToken
	s.Keep(f.kept())
	s.keyID = seal.KeyID(s.cookie)
	if s.over(now) {
		return nil, RunOut
	}
	return s, Fine
}

// stillMakes reports whether the sign-in, as it is configured now, could have made
// a session of these facts. One that was sealed before a claim was named lacks it.
func (s *SignIn) stillMakes(f *facts) bool {
	if f.Issuer != s.config.Issuer.URL || f.Client != s.config.ClientID {
		return false
	}
	for i := range s.config.Claims {
		if !f.has(&s.config.Claims[i]) {
			return false
		}
	}
	return true
}

// seal makes the cookie of a session.
func (s *SignIn) seal(f *facts, host string, now time.Time) (string, error) {
	return s.all.keys.at(now).Seal(forSession, f.encode(), bind(host))
}
