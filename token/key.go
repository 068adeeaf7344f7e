package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"curfew.dev/curfew/internal/strictjson"
	"curfew.dev/curfew/revocation"
)

// key is one public key of an issuer. Everything but confirmed is immutable.
type key struct {
	id         string // kid; empty if the set gives none
	algorithms []string
	public     crypto.PublicKey

	// confirmed is when the issuer was last seen to publish the key, in Unix
	// nanoseconds; retired once it no longer does. The hot path reads it on
	// every cache hit: one load tells both that the key still exists and that
	// this is known freshly enough.
	confirmed atomic.Int64
}

const retired = -1

func (k *key) confirm(at time.Time) { k.confirmed.Store(at.UnixNano()) }
func (k *key) retire()              { k.confirmed.Store(retired) }

// usable reports whether the key was published within maxStale before now.
func (k *key) usable(now time.Time, maxStale time.Duration) bool {
	at := k.confirmed.Load()
	return at > 0 && now.UnixNano()-at <= int64(maxStale)
}

func (k *key) fits(alg string) bool { return slices.Contains(k.algorithms, alg) }

// same reports whether two keys verify the same tokens.
func (k *key) same(o *key) bool { return k.twin(o) && slices.Equal(k.algorithms, o.algorithms) }

// twin reports whether two keys are one, perhaps for different algorithms.
func (k *key) twin(o *key) bool {
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.id == o.id && public.Equal(o.public)
}

// verify checks a signature (RFC 7518, 3; RFC 8037; RFC 9864) of an algorithm
// that fits the key. It reads nothing but the bytes that were signed: whatever
// else is in a header can't stand in its way.
func (k *key) verify(alg string, input, signature []byte) bool {
	if !k.fits(alg) {
		return false
	}
	if public, ok := k.public.(ed25519.PublicKey); ok {
		return ed25519.Verify(public, input, signature)
	}
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	h := hash.New()
	h.Write(input)
	digest := h.Sum(nil)
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		size := (public.Curve.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(public, digest, r, s)
	case *rsa.PublicKey:
		if alg[0] == 'P' { // the salt is as long as the hash
			o := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(public, hash, digest, signature, o) == nil
		}
		return rsa.VerifyPKCS1v15(public, hash, digest, signature) == nil
	}
	return false
}

var (
	errKeyUse       = errors.New("key is not for signatures")
	errKeyAlgorithm = errors.New("key's alg is unknown or does not fit its type")
	errKeyType      = errors.New("key is not an RSA, EC or Ed25519 key")
	errKeyWeak      = errors.New("key is weak")
	errKeySecret    = errors.New("key is symmetric or private: it must not be published")
	errKeyAmbiguous = errors.New("another key has the same kid and alg")
)

// parseKey reads one JWK (RFC 7517, 4) and admits it only if it is meant for
// signatures and strong enough.
func parseKey(members strictjson.Object) (*key, error) {
	if kty, _ := members.Value("kty").Text(); kty == "oct" || members.Value("d") != "" {
		return nil, errKeySecret
	}
	var jwkAlg string
	for _, m := range members {
		text, isText := m.Value.Text()
		ops, _ := m.Value.Texts()
		switch {
		case m.Name == "use" && text != "sig", m.Name == "key_ops" && !slices.Contains(ops, "verify"):
			return nil, errKeyUse
		case m.Name == "alg" && !isText:
			return nil, errKeyAlgorithm
		case m.Name == "alg":
			jwkAlg = text
		case m.Name == "kid" && (text == "" || len(text) > revocation.MaxID):
			return nil, errKeyType
		}
	}
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(publicPart(members), &jwk); err != nil || !jwk.IsPublic() {
		return nil, errKeyType
	}
	k := &key{id: jwk.KeyID, public: jwk.Key}
	var err error
	if k.algorithms, err = algorithmsOf(jwk.Key, jwkAlg); err != nil {
		return nil, err
	}
	return k, nil
}

// publicPart is a JWK with only the members that are read. A certificate in it
// that can't be read, or is of another key, changes nothing.
func publicPart(members strictjson.Object) []byte {
	part := make(map[string]json.RawMessage)
	for _, m := range members {
		if slices.Contains([]string{"kty", "kid", "n", "e", "crv", "x", "y"}, m.Name) {
			part[m.Name] = json.RawMessage(m.Value)
		}
	}
	b, _ := json.Marshal(part) // it was JSON a moment ago
	return b
}

// algorithmsOf limits a key to the one algorithm that its JWK names or, where
// it names none, to one family (RFC 8725, 3.1). PSS is a family that has to be
// named.
func algorithmsOf(public crypto.PublicKey, jwkAlg string) ([]string, error) {
	var family, named []string
	switch p := public.(type) {
	case *rsa.PublicKey:
		if weakRSA(p) {
			return nil, errKeyWeak
		}
		family = []string{"RS256", "RS384", "RS512"}
		named = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		alg, ok := map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[p.Curve.Params().BitSize]
		if !ok {
			return nil, errKeyType
		}
		family, named = []string{alg}, []string{alg}
	case ed25519.PublicKey:
		if weakEd25519(p) {
			return nil, errKeyWeak
		}
		// EdDSA and Ed25519 are two names of one algorithm (RFC 9864, 2.2).
		family = []string{"EdDSA", "Ed25519"}
		if slices.Contains(family, jwkAlg) {
			return family, nil
		}
	default:
		return nil, errKeyType
	}
	switch {
	case jwkAlg == "":
		return family, nil
	case slices.Contains(named, jwkAlg):
		return []string{jwkAlg}, nil
	}
	return nil, errKeyAlgorithm
}
