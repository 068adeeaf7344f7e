package login

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ClientKey signs the assertions by which a client authenticates (RFC 7523).
type ClientKey struct{ signer jose.Signer }

// ParseClientKey reads a private key: PEM (PKCS #8, PKCS #1 or SEC 1) or a JWK.
// The error never repeats the key.
func ParseClientKey(text []byte) (*ClientKey, error) {
	var key jose.JSONWebKey
	if text = bytes.TrimSpace(text); bytes.HasPrefix(text, []byte("{")) {
		if err := key.UnmarshalJSON(text); err != nil || key.IsPublic() || !key.Valid() {
			return nil, errors.New("the client key is not a private JWK (RFC 7517)")
		}
	} else {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, errors.New("the client key is neither PEM nor a JWK")
		}
		private, err := parsePrivate(block.Bytes)
		if err != nil {
			return nil, err
		}
		key.Key = private
	}
	alg, err := algorithmOf(key.Key)
	if err != nil {
		return nil, err
	}
	if key.Algorithm != "" {
		alg = jose.SignatureAlgorithm(key.Algorithm)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, errors.New("the client key does not fit its algorithm")
	}
	return &ClientKey{signer}, nil
}

func parsePrivate(der []byte) (crypto.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, errors.New("the client key is not a private key in PKCS #8, PKCS #1 or SEC 1")
	}
	return key, nil
}

func algorithmOf(key any) (jose.SignatureAlgorithm, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < 2048 {
			return "", fmt.Errorf("the client key has %d bits: use RSA with 2048 or more, or ES256", k.N.BitLen())
		}
		return jose.RS256, nil
	case *ecdsa.PrivateKey:
		alg, ok := map[int]jose.SignatureAlgorithm{256: jose.ES256, 384: jose.ES384, 521: jose.ES512}[k.Curve.Params().BitSize]
		if ok {
			return alg, nil
		}
	case ed25519.PrivateKey:
		return jose.EdDSA, nil
	}
	return "", errors.New("the client key is of a kind that signs no assertion: use RSA, P-256, P-384, P-521 or Ed25519")
}

const assertionLifetime = time.Minute

// assertion is a client assertion (RFC 7523, 3) for the provider at issuer.
func (k *ClientKey) assertion(client, issuer string, now time.Time) (string, error) {
	payload, err := json.Marshal(map[string]any{
		"iss": client, "sub": client, "aud": issuer, "jti": newSecret(16),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("making a client assertion: %w", err)
	}
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing a client assertion: %w", err)
	}
	return signed.CompactSerialize()
}
