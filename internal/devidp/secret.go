package devidp

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// newSecret returns 256 random bits in base64url, 43 characters. It also serves
// as an identifier that must not be guessed.
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// digest returns the form in which a secret is kept, so that a reader of the
// state file can't act as a user's browser or app. It is also the S256 of PKCE
// (RFC 7636 section 4.2).
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// sameSecret compares in constant time.
func sameSecret(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(digest(a)), []byte(digest(b))) == 1
}
