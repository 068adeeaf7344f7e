package token

import (
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

// K1: keys are looked up by issuer and kid together.
func TestK1SameKidAtTwoIssuers(t *testing.T) {
	a, b := tokentest.New(t, "https://a.example.com"), tokentest.New(t, "https://b.example.com")
	a.Rotate(tokentest.NewKey(t, "same", "ES256"))
	b.Rotate(tokentest.NewKey(t, "same", "ES256"))
	conf := func(i *tokentest.Issuer) IssuerKeys {
		return IssuerKeys{Issuer{Issuer: revocation.Issuer{URL: i.URL}, Audiences: []string{api}}, staticKeys(t, i, start)}
	}
	for _, order := range [][]IssuerKeys{{conf(a), conf(b)}, {conf(b), conf(a)}} {
		cache, err := NewCache(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		v := newTestVerifier(t, VerifierConfig{Issuers: order, Cache: cache})
		for range 2 {
			if _, _, err := v.Verify(context.Background(), b.Sign(b.Claims(api, start)), start); err != nil {
				t.Fatal(err)
			}
			_, _, err := v.Verify(context.Background(), b.Sign(a.Claims(api, start)), start)
			wantKind(t, err, Invalid)
		}
	}
}

// K2: no algorithm is taken from a token that the key was not made for.
func TestK2AlgorithmConfusion(t *testing.T) {
	rsaKey, ecKey := tokentest.NewKey(t, "r", "RS256"), tokentest.NewKey(t, "e", "ES256")
	i := tokentest.New(t, issuerURL)
	i.Rotate(rsaKey, ecKey)
	f := fixture{i, newTestVerifier(t, VerifierConfig{
		Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}, staticKeys(t, i, start)}},
	})}
	payload, _ := json.Marshal(i.Claims(api, start))
	forge := func(header string, secret []byte) string {
		input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	var tokens []string
	for _, k := range []tokentest.Key{rsaKey, ecKey} {
		der, err := x509.MarshalPKIXPublicKey(k.Signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		jwk, _ := k.Public().MarshalJSON()
		secrets := [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), jwk}
		if p, ok := k.Signer.Public().(*rsa.PublicKey); ok {
			secrets = append(secrets, p.N.Bytes())
		}
		for _, secret := range secrets {
			tokens = append(tokens, forge(`{"alg":"HS256","typ":"at+jwt","kid":"`+k.ID+`"}`, secret))
		}
	}
	for _, alg := range []string{`"none"`, `"None"`, `"nOnE"`, `"NONE"`, `""`, `1`, `null`, `["RS256"]`, `"rs256"`, `"HS256"`} {
		forged := forge(`{"alg":`+alg+`,"typ":"at+jwt","kid":"r"}`, nil)
		tokens = append(tokens, forged, forged[:strings.LastIndexByte(forged, '.')+1])
	}
	for _, alg := range []string{"RS384", "PS256"} { // the JWK says RS256
		tokens = append(tokens, tokentest.Key{ID: "r", Algorithm: alg, Signer: rsaKey.Signer}.Sign(t, payload, nil))
	}
	for _, raw := range tokens {
		_, err := f.verify(raw)
		wantKind(t, err, Invalid)
	}
}

// K3 and K5: only the compact serialisation of a JWS.
func TestK3OtherSerialisations(t *testing.T) {
	f := newFixture(t)
	good := f.Sign(f.Claims(api, start))
	p := strings.Split(good, ".")
	for name, raw := range map[string]string{
		"flattened JSON":  `{"protected":"` + p[0] + `","payload":"` + p[1] + `","signature":"` + p[2] + `"}`,
		"general JSON":    `{"payload":"` + p[1] + `","signatures":[{"protected":"` + p[0] + `","signature":"` + p[2] + `"}]}`,
		"five parts":      good + ".e30.e30",
		"four parts":      good + ".",
		"two parts":       p[0] + "." + p[1],
		"leading space":   " " + good,
		"trailing line":   good + "\n",
		"inner line":      p[0] + "." + p[1][:8] + "\r\n" + p[1][8:] + "." + p[2],
		"padding":         good + "=",
		"standard base64": strings.NewReplacer("-", "+", "_", "/").Replace(good[:len(good)-1]) + "+",
		"no signature":    p[0] + "." + p[1] + ".",
		"no payload":      p[0] + ".." + p[2],
		"no header":       "." + p[1] + "." + p[2],
		"empty":           "",
	} {
		_, err := f.verify(raw)
		if err == nil {
			t.Errorf("%s: admitted", name)
		}
	}
}

// K4: a flood of dots costs one scan.
func TestK4DotsAreCheap(t *testing.T) {
	f := newFixture(t)
	for _, size := range []int{MaxBytes, 1 << 20} {
		raw := strings.Repeat(".", size)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		took := time.Hour // at best: a busy machine may stop at any time
		for range 10 {
			began := time.Now()
			_, err := f.verify(raw)
			took = min(took, time.Since(began))
			wantKind(t, err, Invalid)
		}
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) / 10; used > 64<<10 {
			t.Errorf("%d dots cost %d bytes", size, used)
		}
		if took > 5*time.Millisecond { // the bound is 1 ms; the rest is for a slow machine
			t.Errorf("%d dots took %v", size, took)
		}
	}
}

// K7: a token can be written in one way only, so whatever is keyed by its
// bytes can't be evaded by writing it differently.
func TestK7EveryEditIsRefused(t *testing.T) {
	f := newFixture(t)
	good := f.Sign(f.Claims(api, start))
	const alphabet = "Aa1-_"
	for at := range good {
		if _, err := f.verify(good[:at]); err == nil {
			t.Fatalf("cut at %d: admitted", at)
		}
		for _, c := range alphabet + ".=\n" {
			if byte(c) == good[at] {
				continue
			}
			if _, err := f.verify(good[:at] + string(c) + good[at+1:]); err == nil {
				t.Fatalf("%q at %d: admitted", c, at)
			}
		}
	}
}

// K8: what is remembered of a token is the token's, not one route's, and
// nothing is remembered under a part of it.
func TestK8CacheKeyIsTheWholeToken(t *testing.T) {
	f := newFixture(t)
	cache, err := NewCache(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	f.v.cache = cache
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab|.:")), 1, 6, -1)
		claims := f.Claims(api, start)
		claims["sub"], claims["jti"] = text.Draw(t, "sub"), text.Draw(t, "jti")
		raw := f.Sign(claims)
		for range 2 {
			got, _, err := f.v.Verify(context.Background(), raw, start)
			if err != nil {
				t.Fatal(err)
			}
			if got.Credential.Subject != claims["sub"] || got.Credential.TokenID != claims["jti"] {
				t.Fatalf("got %q %q", got.Credential.Subject, got.Credential.TokenID)
			}
			cache.store.Wait()
		}
		if _, hit, _ := f.v.Verify(context.Background(), raw, start); !hit {
			t.Fatal("not remembered")
		}
		if _, _, err := f.v.Verify(context.Background(), raw[:len(raw)-4], start); err == nil {
			t.Fatal("a prefix was admitted")
		}
	})
}
