package devidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// signingAlgorithms are the algorithms that the provider can sign with.
var signingAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA}

// signingKey is a private key. Its kid is the RFC 7638 thumbprint.
type signingKey struct {
	JWK jose.JSONWebKey `json:"jwk"`
	// Retires is the time at which the key leaves the key set, in Unix seconds.
	// It is 0 while the key signs.
	Retires int64 `json:"retires,omitempty"`
}

// keyring holds the newest key, which signs, and the older keys that are still
// published.
type keyring []signingKey

func newSigningKey(algorithm jose.SignatureAlgorithm) (signingKey, error) {
	private, err := generateKey(algorithm)
	if err != nil {
		return signingKey{}, fmt.Errorf("generating signing key: %w", err)
	}
	jwk := jose.JSONWebKey{Key: private, Algorithm: string(algorithm), Use: "sig"}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return signingKey{}, fmt.Errorf("naming signing key: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return signingKey{JWK: jwk}, nil
}

func generateKey(algorithm jose.SignatureAlgorithm) (crypto.Signer, error) {
	switch algorithm {
	case jose.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.RS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	case jose.EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("algorithm %q is not supported: use ES256, RS256 or EdDSA", algorithm)
}

// check signs with the key, because a key from a file may not fit its
// algorithm.
func (k signingKey) check() error {
	if !slices.Contains(signingAlgorithms, jose.SignatureAlgorithm(k.JWK.Algorithm)) {
		return fmt.Errorf("checking signing key: algorithm %q is not supported", k.JWK.Algorithm)
	}
	_, err := sign(k.JWK, "JWT", claims{}, nil)
	return err
}

// rotate makes next the signing key. The previous signing key stays published
// until retires. Keys that have retired by now are dropped.
func (k keyring) rotate(next signingKey, retires, now int64) keyring {
	rotated := keyring{next}
	for i, key := range k {
		if i == 0 {
			key.Retires = retires
		}
		if key.published(now) {
			rotated = append(rotated, key)
		}
	}
	return rotated
}

func (k signingKey) published(now int64) bool { return k.Retires == 0 || now < k.Retires }

// public returns the key set to publish.
func (k keyring) public(now int64) jose.JSONWebKeySet {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range k {
		if key.published(now) {
			set.Keys = append(set.Keys, key.JWK.Public())
		}
	}
	return set
}

// algorithms lists the algorithms of the published keys.
func (k keyring) algorithms(now int64) []string {
	var names []string
	for _, key := range k.public(now).Keys {
		if !slices.Contains(names, key.Algorithm) {
			names = append(names, key.Algorithm)
		}
	}
	return names
}
