package rig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Audience is the audience of every token of a [Provider].
const Audience = "https://api.example.test"

// keyID is the kid of the only key.
const keyID = "bench-1"

// Provider is an OpenID provider on loopback with one key.
type Provider struct {
	// URL is its iss.
	URL string

	algorithm string
	key       crypto.Signer
	fetches   atomic.Int64
}

// NewProvider listens on an address and signs with RS256 or ES256.
func NewProvider(address, algorithm string) (*Provider, error) {
	p := &Provider{algorithm: algorithm}
	var err error
	switch algorithm {
	case "RS256":
		p.key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return nil, fmt.Errorf("algorithm %s: want RS256 or ES256", algorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening as the provider: %w", err)
	}
	p.URL = "http://" + l.Addr().String()
	go func() { _ = (&http.Server{Handler: p, ReadHeaderTimeout: time.Minute}).Serve(l) }()
	return p, nil
}

// Fetches returns the number of requests for the keys.
func (p *Provider) Fetches() int64 { return p.fetches.Load() }

// ServeHTTP serves the discovery document and the key set.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/jwks"})
	case "/jwks":
		p.fetches.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{p.jwk()}})
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) jwk() map[string]string {
	jwk := map[string]string{"kid": keyID, "alg": p.algorithm, "use": "sig"}
	switch public := p.key.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, _ := public.Bytes() // fails for other curves only
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", encode(point[1:33]), encode(point[33:])
	}
	return jwk
}

// PublicPEM returns the key for products that read it from a file.
func (p *Provider) PublicPEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		return nil, fmt.Errorf("encoding the public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// PublicKey returns the key that verifies the provider's tokens.
func (p *Provider) PublicKey() crypto.PublicKey { return p.key.Public() }

// TokenLength is the approximate length of a token, in bytes. Large providers
// issue tokens of this length.
const TokenLength = 1024

// Token returns an access token of a subject with all the usual claims. It is
// valid for an hour.
func (p *Provider) Token(subject string) (string, error) { return p.issue(subject, time.Now()) }

// Expired returns a token that expired an hour ago.
func (p *Provider) Expired(subject string) (string, error) {
	return p.issue(subject, time.Now().Add(-2*time.Hour))
}

func (p *Provider) issue(subject string, at time.Time) (string, error) {
	now := at.Unix()
	claims := map[string]any{
		"iss": p.URL, "aud": Audience, "sub": subject, "client_id": "web", "sid": "sid-" + subject, "jti": "jti-" + subject,
		"iat": now - 60, "auth_time": now - 60, "exp": now + 3600, "device_id": "device-" + subject, "tid": "contoso",
		"scope": "read write", "acr": "mfa", "amr": []string{"pwd", "otp"}, "pad": "",
	}
	bare, err := p.sign(claims)
	if err != nil {
		return "", err
	}
	claims["pad"] = strings.Repeat("x", max(0, TokenLength-len(bare))*3/4)
	return p.sign(claims)
}

// Tokens returns one token for each of n subjects.
func (p *Provider) Tokens(n int) ([]string, error) {
	tokens := make([]string, n)
	for i := range tokens {
		var err error
		if tokens[i], err = p.Token(fmt.Sprintf("user-%07d", i)); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

func (p *Provider) sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	head := fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, p.algorithm, keyID)
	signed := encode([]byte(head)) + "." + encode(payload)
	sum := sha256.Sum256([]byte(signed))
	signature, err := p.signature(sum[:])
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return signed + "." + encode(signature), nil
}

func (p *Provider) signature(digest []byte) ([]byte, error) {
	switch key := p.key.(type) {
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest)
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			return nil, err
		}
		both := make([]byte, 64)
		r.FillBytes(both[:32])
		s.FillBytes(both[32:])
		return both, nil
	}
	return nil, errors.New("no such key")
}

// WithKeyID returns a token whose header names another key.
func WithKeyID(token, kid string) string {
	head, rest, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return token
	}
	return encode([]byte(strings.Replace(string(b), keyID, kid, 1))) + "." + rest
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
