package token

import (
	"crypto"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

func jwkOf(t *testing.T, k tokentest.Key, edit func(*jose.JSONWebKey)) string {
	t.Helper()
	jwk := k.Public()
	if edit != nil {
		edit(&jwk)
	}
	b, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseKeyring(t *testing.T) {
	ec, rsa, ed := tokentest.NewKey(t, "e", "ES256"), tokentest.NewKey(t, "r", "RS256"), tokentest.NewKey(t, "o", "EdDSA")
	rsa2 := tokentest.NewKey(t, "r", "RS256")
	noAlg := func(k *jose.JSONWebKey) { k.Algorithm = "" }
	algIs := func(alg string) func(*jose.JSONWebKey) { return func(k *jose.JSONWebKey) { k.Algorithm = alg } }
	member := func(jwk, text string) string { return strings.TrimSuffix(jwk, "}") + "," + text + "}" }
	for name, c := range map[string]struct {
		set  []string
		want string // kid:algorithms of each key kept
	}{
		"three":                 {[]string{jwkOf(t, ec, nil), jwkOf(t, rsa, nil), jwkOf(t, ed, nil)}, "e:ES256 r:RS256 o:EdDSA,Ed25519"},
		"no alg":                {[]string{jwkOf(t, ec, noAlg), jwkOf(t, rsa, noAlg), jwkOf(t, ed, noAlg)}, "e:ES256 r:RS256,RS384,RS512 o:EdDSA,Ed25519"},
		"PSS where named":       {[]string{jwkOf(t, rsa, algIs("PS384"))}, "r:PS384"},
		"Ed25519 by its name":   {[]string{jwkOf(t, ed, algIs("Ed25519"))}, "o:EdDSA,Ed25519"},
		"alg of another curve":  {[]string{jwkOf(t, ec, algIs("ES384")), jwkOf(t, rsa, nil)}, "r:RS256"},
		"alg of another type":   {[]string{jwkOf(t, rsa, algIs("ES256")), jwkOf(t, ec, algIs("EdDSA"))}, ""},
		"encryption alg":        {[]string{jwkOf(t, rsa, algIs("RSA-OAEP"))}, ""},
		"use enc":               {[]string{jwkOf(t, ec, func(k *jose.JSONWebKey) { k.Use = "enc" })}, ""},
		"key_ops verify":        {[]string{member(jwkOf(t, ec, nil), `"key_ops":["verify"]`)}, "e:ES256"},
		"key_ops sign":          {[]string{member(jwkOf(t, ec, nil), `"key_ops":["sign"]`)}, ""},
		"key_ops null":          {[]string{member(jwkOf(t, ec, nil), `"key_ops":null`)}, ""},
		"private key":           {[]string{jwkOf(t, ec, func(k *jose.JSONWebKey) { k.Key = ec.Signer })}, ""},
		"kid of another type":   {[]string{jwkOf(t, ec, nil), jwkOf(t, rsa, func(k *jose.JSONWebKey) { k.KeyID = "e" }), jwkOf(t, ed, nil)}, "e:ES256 e:RS256 o:EdDSA,Ed25519"},
		"kid of an enc key":     {[]string{jwkOf(t, rsa2, func(k *jose.JSONWebKey) { k.Use = "enc" }), jwkOf(t, rsa, nil)}, "r:RS256"},
		"kid of an enc alg":     {[]string{jwkOf(t, rsa2, algIs("RSA-OAEP")), jwkOf(t, rsa, nil)}, "r:RS256"},
		"kid of a useless key":  {[]string{jwkOf(t, ec, nil), `{"kty":"x","kid":"e"}`, jwkOf(t, ed, nil)}, "e:ES256 o:EdDSA,Ed25519"},
		"two keys by alg":       {[]string{jwkOf(t, rsa, nil), jwkOf(t, rsa2, algIs("PS256"))}, "r:RS256 r:PS256"},
		"two keys of one alg":   {[]string{jwkOf(t, rsa, nil), jwkOf(t, ed, nil), jwkOf(t, rsa2, nil)}, "o:EdDSA,Ed25519"},
		"two keys, one shared":  {[]string{jwkOf(t, rsa, nil), jwkOf(t, rsa2, noAlg)}, "r:RS384,RS512"},
		"two keys without alg":  {[]string{jwkOf(t, rsa, noAlg), jwkOf(t, rsa2, noAlg), jwkOf(t, ec, nil)}, "e:ES256"},
		"one key, two algs":     {[]string{jwkOf(t, rsa, nil), jwkOf(t, rsa, algIs("PS256"))}, "r:PS256,RS256"},
		"the other way around":  {[]string{jwkOf(t, rsa, algIs("PS256")), jwkOf(t, rsa, nil)}, "r:PS256,RS256"},
		"one key twice":         {[]string{jwkOf(t, rsa, nil), jwkOf(t, ed, nil), jwkOf(t, rsa, nil), jwkOf(t, ed, noAlg)}, "r:RS256 o:EdDSA,Ed25519"},
		"one key, two kids":     {[]string{jwkOf(t, ec, nil), jwkOf(t, ec, func(k *jose.JSONWebKey) { k.KeyID = "f" })}, "e:ES256 f:ES256"},
		"certificate of no use": {[]string{member(jwkOf(t, ec, nil), `"x5c":["AAAA"],"x5t":"zz","x5u":7`)}, "e:ES256"},
		"unknown types ignored": {[]string{`{"kty":"OKP","crv":"Ed448","x":"AA"}`, `{"kty":"EC","crv":"secp256k1"}`, `7`, jwkOf(t, ed, nil)}, "o:EdDSA,Ed25519"},
		"a symmetric key among": {[]string{`{"kty":"oct","k":"AAAA","kid":"s"}`, jwkOf(t, ec, nil)}, "e:ES256"},
		"its kid too":           {[]string{`{"kty":"oct","k":"AAAA","kid":"e"}`, jwkOf(t, ec, nil)}, "e:ES256"},
		"a private key among":   {[]string{jwkOf(t, ec, func(k *jose.JSONWebKey) { k.Key = ec.Signer }), jwkOf(t, ed, nil)}, "o:EdDSA,Ed25519"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := parseKeyring(`{"keys":[` + strings.Join(c.set, ",") + `]}`)
			if c.want == "" {
				if !errors.Is(err, errJWKSEmpty) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var kept []string
			for _, k := range r.keys {
				kept = append(kept, k.id+":"+strings.Join(k.algorithms, ","))
			}
			if got := strings.Join(kept, " "); got != c.want {
				t.Errorf("kept %q, want %q", got, c.want)
			}
		})
	}
}

// What should not be in a set is named, what others use for other things is not.
func TestUnusedKeysAreNamed(t *testing.T) {
	ec, rsa := tokentest.NewKey(t, "e", "ES256"), tokentest.NewKey(t, "r", "RS256")
	r, err := parseKeyring(`{"keys":[` + strings.Join([]string{
		jwkOf(t, ec, nil), `{"kty":"oct","k":"AAAA","kid":"s"}`, `{"kty":"x","kid":"x"}`, `7`,
		jwkOf(t, rsa, func(k *jose.JSONWebKey) { k.KeyID, k.Key = "p", rsa.Signer }),
		jwkOf(t, rsa, func(k *jose.JSONWebKey) { k.KeyID, k.Use = "enc", "enc" }),
		jwkOf(t, rsa, nil), jwkOf(t, tokentest.NewKey(t, "r", "RS256"), nil),
		`{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"w"}`,
	}, ",") + `]}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []UnusedKey{
		{"s", errKeySecret.Error()},
		{"p", errKeySecret.Error()},
		{"w", errKeyWeak.Error()},
		{"r", errKeyAmbiguous.Error()},
		{"r", errKeyAmbiguous.Error()},
	}
	if !slices.Equal(r.unused, want) {
		t.Errorf("named %v, want %v", r.unused, want)
	}
	if _, err := parseKeyring(`{"keys":[{"kty":"oct","k":"AAAA","kid":"s"}]}`); !errors.Is(err, errJWKSEmpty) || !strings.Contains(err.Error(), `"s"`) {
		t.Errorf("got %v", err)
	}
}

// The fully-specified name of RFC 9864 verifies like the old one.
func TestEd25519ByItsName(t *testing.T) {
	i := tokentest.New(t, issuerURL)
	i.Rotate(tokentest.NewKey(t, "o", "EdDSA"))
	v := newTestVerifier(t, VerifierConfig{
		Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}, staticKeys(t, i, start)}},
	})
	claims, err := json.Marshal(i.Claims(api, start))
	if err != nil {
		t.Fatal(err)
	}
	input := encode(`{"alg":"Ed25519","kid":"o","typ":"at+jwt"}`, string(claims))
	signature, err := i.Key().Signer.Sign(nil, []byte(input), crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.Verify(t.Context(), input+"."+encode(string(signature)), start); err != nil {
		t.Error(err)
	}
	signature[0] ^= 1
	_, _, err = v.Verify(t.Context(), input+"."+encode(string(signature)), start)
	wantKind(t, err, Invalid)
}
