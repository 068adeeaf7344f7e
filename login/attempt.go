package login

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// attempt is what the attempt cookie holds: one random key for the browser, to
// which the states of its sign-ins are bound, and when sign-ins were completed
// whose sessions did not come back. It is not sealed: the key is random, and the
// times concern only the browser itself.
type attempt struct {
	key       string
	completed []int64 // Unix seconds
}

const (
	keyBytes = 32
	// loops is how many sessions may not come back within loopWithin.
	loops      = 3
	loopWithin = int64(time.Minute / time.Second)
)

// newSecret returns random text of a number of bytes.
func newSecret(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

// attemptOf reads the cookie; ok is false if there is none that is whole.
func attemptOf(h http.Header, name string) (a attempt, ok bool) {
	value, two := Read(h, name)
	if two || len(value) > 200 {
		return attempt{}, false
	}
	parts := strings.Split(value, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(parts[0])
	if err != nil || len(raw) != keyBytes || len(parts) > loops+1 {
		return attempt{}, false
	}
	a.key = parts[0]
	for _, p := range parts[1:] {
		at, err := strconv.ParseInt(p, 36, 64)
		if err != nil {
			return attempt{}, false
		}
		a.completed = append(a.completed, at)
	}
	return a, true
}

func (a *attempt) set(h http.Header, name string) {
	value := a.key
	for _, at := range a.completed {
		value += "." + strconv.FormatInt(at, 36)
	}
	setCookie(h, name, value, attemptAge)
}

// recent are the completed sign-ins within the last minute, at most [loops].
func (a *attempt) recent(now time.Time) []int64 {
	var all []int64
	for _, at := range a.completed {
		if ago := now.Unix() - at; ago >= 0 && ago < loopWithin {
			all = append(all, at)
		}
	}
	return all[max(0, len(all)-loops):]
}

// complete notes that a sign-in was completed.
func (a *attempt) complete(now time.Time) {
	all := append(a.recent(now), now.Unix())
	a.completed = all[max(0, len(all)-loops):]
}

// digest names the key in a state, which tells nothing of it.
func (a *attempt) digest() string { return a.derive("digest", "") }

// verifier is the PKCE code verifier of one attempt (RFC 7636, 4.1).
func (a *attempt) verifier(id string) string { return a.derive("verifier", id) }

func (a *attempt) derive(what, id string) string {
	mac := hmac.New(sha256.New, []byte(a.key))
	mac.Write(bind("curfew attempt", what, id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
