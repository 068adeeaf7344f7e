package token_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// provider is an OpenID provider with one key.
type provider struct {
	*httptest.Server
	private ed25519.PrivateKey
	ctx     context.Context
	stop    context.CancelFunc
}

// Close ends the fetches of keys and the provider.
func (p provider) Close() {
	p.stop()
	p.Server.Close()
}

func startProvider() provider {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	ctx, stop := context.WithCancel(context.Background())
	p := provider{httptest.NewServer(mux), private, ctx, stop}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, p.URL, p.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "key-1", "x": %q}]}`, base64.RawURLEncoding.EncodeToString(public))
	})
	return p
}

func (p provider) sign(typ string, claims map[string]any) string {
	claims["iss"] = p.URL
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(map[string]string{"alg": "EdDSA", "kid": "key-1", "typ": typ}) + "." + part(claims)
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(p.private, []byte(signed)))
}

// trust returns a verifier for the provider's tokens, with its keys fetched.
func (p provider) trust() *token.Verifier {
	keys := token.NewKeySet(p.URL, token.KeySetOptions{})
	go keys.Run(p.ctx)
	keys.Await(p.ctx)
	v, err := token.NewVerifier(token.VerifierConfig{Issuers: []token.IssuerKeys{{
		Issuer: token.Issuer{Issuer: revocation.Issuer{URL: p.URL}, Audiences: []string{"https://api.example.com"}, Clients: []string{"web"}},
		Keys:   keys,
	}}})
	if err != nil {
		panic(err)
	}
	return v
}

// A gateway takes a token out of a request and verifies it.
func Example() {
	p := startProvider()
	defer p.Close()
	v, now := p.trust(), time.Now()
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+p.sign("at+jwt", map[string]any{
		"sub": "alice", "aud": "https://api.example.com", "client_id": "web", "jti": "1",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}))

	raw, _, err := token.Sources{}.Extract(r)
	if err != nil {
		panic(err)
	}
	t, _, err := v.Verify(r.Context(), raw, now)
	if err != nil {
		panic(err)
	}
	fmt.Println(t.Credential.Subject, t.Credential.Client, t.Credential.KeyID)
	// Output: alice web key-1
}

// The kind of an error says which answer a request gets, and its detail which
// rule was broken.
func ExampleVerifier_Verify() {
	p := startProvider()
	defer p.Close()
	now := time.Now()
	expired := p.sign("at+jwt", map[string]any{
		"sub": "alice", "aud": "https://api.example.com", "client_id": "web", "jti": "1",
		"iat": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(-time.Hour).Unix(),
	})

	_, _, err := p.trust().Verify(context.Background(), expired, now)
	var refused *token.Error
	fmt.Println(errors.As(err, &refused), refused.Kind, refused.Detail)
	// Output: true invalid it has expired
}

// A logout token is no credential, so Verify refuses it. A caller that wants it
// opens it, and is its judge.
func ExampleVerifier_Open() {
	p := startProvider()
	defer p.Close()
	now := time.Now()
	const event = "http://schemas.openid.net/event/backchannel-logout"
	logout := p.sign("logout+jwt", map[string]any{
		"sub": "alice", "aud": "web", "jti": "1", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"events": map[string]any{event: map[string]any{}},
	})

	o, err := p.trust().Open(context.Background(), logout, now)
	if err != nil {
		panic(err)
	}
	judge := func() error {
		expires, ok := o.Date("exp")
		switch {
		case o.Type() != "logout+jwt" || o.Claim("nonce") != "":
			return o.Refuse("it is not a logout token")
		case o.Claim("aud") != `"web"`:
			return o.Refuse("it is for another client")
		case !ok || expires < now.Unix():
			return o.Refuse("it has expired")
		}
		return nil
	}
	fmt.Println(judge(), o.Claim("sub"))
	// Output: <nil> "alice"
}

// Not every issuer has its documents at the same place.
func ExampleWellKnown_URL() {
	fmt.Println(token.OpenIDProvider.URL("https://login.example.com/acme"))
	fmt.Println(token.AuthorizationServer.URL("https://login.example.com/acme"))
	// Output:
	// https://login.example.com/acme/.well-known/openid-configuration
	// https://login.example.com/.well-known/oauth-authorization-server/acme
}
