package devidp

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// newSecret is 256 random bits in base64url, 43 characters. It serves as an
// identifier too where that must not be guessed.
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// digest is what is kept of a secret: the state file can't be used to pose as
// anybody's browser or app. It is also the S256 of PKCE (RFC 7636 section 4.2).
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// sameSecret compares without telling by its duration where a and b differ.
func sameSecret(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(digest(a)), []byte(digest(b))) == 1
}
