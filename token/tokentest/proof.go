package tokentest

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Thumbprint is the jkt of tokens that are bound to the key (RFC 7638).
func (k Key) Thumbprint(tb testing.TB) string {
	tb.Helper()
	sum, err := (&jose.JSONWebKey{Key: k.Signer.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		tb.Fatalf("hashing a key: %v", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// JWK is the public key as a proof brings it along.
func (k Key) JWK(tb testing.TB) map[string]any {
	tb.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: k.Signer.Public()})
	var members map[string]any
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil {
		tb.Fatalf("encoding a key: %v", err)
	}
	return members
}

// ProofClaims is the payload of a good DPoP proof for one request with a token. The
// caller may change it.
func ProofClaims(jti, method, url, token string, now time.Time) Claims {
	hash := sha256.Sum256([]byte(token))
	return Claims{
		"jti": jti, "htm": method, "htu": url, "iat": now.Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(hash[:]),
	}
}

// Proof makes a DPoP proof (RFC 9449, 4.2); header adds to its header, and replaces.
// A nil value removes a claim or a parameter.
func (k Key) Proof(tb testing.TB, c Claims, header map[string]any) string {
	tb.Helper()
	c = maps.Clone(c)
	maps.DeleteFunc(c, func(_ string, value any) bool { return value == nil })
	payload, err := json.Marshal(c)
	if err != nil {
		tb.Fatalf("encoding a proof: %v", err)
	}
	h := map[string]any{"typ": "dpop+jwt", "jwk": k.JWK(tb), "kid": nil}
	maps.Copy(h, header)
	return k.Sign(tb, payload, h)
}
