// Package tokentest is an OpenID provider for tests: keys, a discovery
// document, a key set and signed tokens, in process. It must never be imported
// by anything that ships.
package tokentest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Claims is the payload of a token.
type Claims = map[string]any

// Key signs tokens.
type Key struct {
	ID        string
	Algorithm string
	Signer    crypto.Signer
}

// NewKey makes a key for an algorithm such as RS256, ES256 or EdDSA.
func NewKey(tb testing.TB, id, alg string) Key {
	tb.Helper()
	signer, err := generate(alg)
	if err != nil {
		tb.Fatalf("making a key for %s: %v", alg, err)
	}
	return Key{id, alg, signer}
}

func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// Public is the key as the provider publishes it.
func (k Key) Public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Signer.Public(), KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"}
}

// Sign makes a token of any payload with typ at+jwt and the key's kid; header
// adds to that, and replaces.
func (k Key) Sign(tb testing.TB, payload []byte, header map[string]any) string {
	tb.Helper()
	o := new(jose.SignerOptions).WithType("at+jwt").WithHeader("kid", k.ID)
	if k.ID == "" {
		o = new(jose.SignerOptions).WithType("at+jwt")
	}
	for name, value := range header {
		o = o.WithHeader(jose.HeaderKey(name), value)
		if value == nil {
			delete(o.ExtraHeaders, jose.HeaderKey(name))
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: k.Signer}, o)
	if err != nil {
		tb.Fatalf("making a signer: %v", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		tb.Fatalf("signing: %v", err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		tb.Fatalf("serialising: %v", err)
	}
	return raw
}

// Issuer is the provider. Its methods may be called concurrently with requests.
type Issuer struct {
	// URL is its iss. New sets it for a provider that is only reachable through
	// Transport, Start to where it listens.
	URL string

	tb      testing.TB
	mu      sync.Mutex
	signing Key
	keys    []jose.JSONWebKey
	fail    http.Handler
	fetches int
}

// New returns a provider with one ES256 key, "key-1". It listens nowhere.
func New(tb testing.TB, url string) *Issuer {
	tb.Helper()
	i := &Issuer{URL: url, tb: tb}
	i.Rotate(NewKey(tb, "key-1", "ES256"))
	return i
}

// Start returns a provider like New that listens on loopback until the test ends.
func Start(tb testing.TB) *Issuer {
	tb.Helper()
	i := New(tb, "")
	server := httptest.NewServer(i)
	tb.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Rotate makes k the signing key. It alone is published, with the keys in keep.
func (i *Issuer) Rotate(k Key, keep ...Key) {
	i.Publish(append([]Key{k}, keep...)...)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.signing = k
}

// Publish replaces the published keys, and not the one that signs.
func (i *Issuer) Publish(keys ...Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = nil
	for _, k := range keys {
		i.keys = append(i.keys, k.Public())
	}
}

// Key is the signing key.
func (i *Issuer) Key() Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.signing
}

// Fail makes h answer in the provider's place; nil ends that.
func (i *Issuer) Fail(h http.Handler) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail = h
}

// Fetches is how often the key set was asked for, in good times and bad.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// Claims is the payload of a good access token for an audience: alice signed
// in a minute before now. The caller may change it.
func (i *Issuer) Claims(audience string, now time.Time) Claims {
	return Claims{
		"iss": i.URL, "aud": audience, "sub": "alice", "client_id": "web", "sid": "session-1", "jti": "token-1",
		"iat": now.Unix() - 60, "auth_time": now.Unix() - 60, "exp": now.Unix() + 3600,
	}
}

// Sign makes a token of c with the overrides of each change applied in turn; a
// nil value removes a claim.
func (i *Issuer) Sign(c Claims, changes ...Claims) string {
	i.tb.Helper()
	c = maps.Clone(c)
	for _, change := range changes {
		for name, value := range change {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
	}
	payload, err := json.Marshal(c)
	if err != nil {
		i.tb.Fatalf("encoding claims: %v", err)
	}
	return i.Key().Sign(i.tb, payload, nil)
}

// ServeHTTP serves the discovery document and the key set.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	isJWKS := strings.HasSuffix(r.URL.Path, "/jwks")
	i.mu.Lock()
	if isJWKS {
		i.fetches++
	}
	fail, keys := i.fail, i.keys
	i.mu.Unlock()
	switch {
	case fail != nil:
		fail.ServeHTTP(w, r)
	case isJWKS:
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: keys})
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, strings.TrimSuffix(i.URL, "/")+"/jwks")
	default:
		http.NotFound(w, r)
	}
}

// Transport reaches the provider without a network, so that a test can run in
// a testing/synctest bubble.
func (i *Issuer) Transport() http.RoundTripper { return transport{i} }

type transport struct{ handler http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}
