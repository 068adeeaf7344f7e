package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		i := tokentest.New(b, issuerURL)
		i.Rotate(tokentest.NewKey(b, "k", alg))
		keys := staticKeys(b, i, start)
		v := newTestVerifier(b, VerifierConfig{Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}, keys}}})
		raw := i.Sign(i.Claims(api, start))
		b.Run("cold/"+alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := v.Verify(context.Background(), raw, start); err != nil {
					b.Fatal(err)
				}
			}
		})
		// Plain crypto: the hash and the check of a signature that is there as the
		// standard library wants it.
		b.Run("crypto/"+alg, func(b *testing.B) {
			check := plainCheck(b, keys.ring.Load().keys[0].public, alg, raw)
			b.ReportAllocs()
			for b.Loop() {
				if !check() {
					b.Fatal("not signed")
				}
			}
		})
		// What can't be saved in a token: one signature check, two base64 decodings and
		// two JSON decodings.
		b.Run("floor/"+alg, func(b *testing.B) {
			k := keys.ring.Load().keys[0]
			parts := strings.Split(raw, ".")
			b.ReportAllocs()
			for b.Loop() {
				head, _ := base64.RawURLEncoding.DecodeString(parts[0])
				body, _ := base64.RawURLEncoding.DecodeString(parts[1])
				var h, c map[string]any
				if json.Unmarshal(head, &h) != nil || json.Unmarshal(body, &c) != nil {
					b.Fatal("not JSON")
				}
				signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
				if !k.verify(alg, []byte(parts[0]+"."+parts[1]), signature) {
					b.Fatal("not signed")
				}
			}
		})
	}
}

// plainCheck returns a check of the signature of a token that does nothing else.
func plainCheck(b *testing.B, public any, alg, raw string) func() bool {
	b.Helper()
	dot := strings.LastIndexByte(raw, '.')
	input := []byte(raw[:dot])
	signature, err := base64.RawURLEncoding.DecodeString(raw[dot+1:])
	if err != nil {
		b.Fatal(err)
	}
	switch k := public.(type) {
	case ed25519.PublicKey:
		return func() bool { return ed25519.Verify(k, input, signature) }
	case *ecdsa.PublicKey:
		half := len(signature) / 2
		asn1Signature, err := asn1.Marshal(struct{ R, S *big.Int }{
			new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]),
		})
		if err != nil {
			b.Fatal(err)
		}
		return func() bool {
			digest := sha256.Sum256(input)
			return ecdsa.VerifyASN1(k, digest[:], asn1Signature)
		}
	case *rsa.PublicKey:
		if alg == "PS256" {
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return func() bool {
				digest := sha256.Sum256(input)
				return rsa.VerifyPSS(k, crypto.SHA256, digest[:], signature, options) == nil
			}
		}
		return func() bool {
			digest := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], signature) == nil
		}
	}
	b.Fatalf("no check for %T", public)
	return nil
}

func BenchmarkHit(b *testing.B) {
	i := tokentest.New(b, issuerURL)
	cache, err := NewCache(0)
	if err != nil {
		b.Fatal(err)
	}
	v := newTestVerifier(b, VerifierConfig{
		Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}, staticKeys(b, i, start)}},
		Cache:   cache,
	})
	raw := i.Sign(i.Claims(api, start), tokentest.Claims{"pad": strings.Repeat("x", 400)})
	if _, _, err := v.Verify(context.Background(), raw, start); err != nil {
		b.Fatal(err)
	}
	cache.store.Wait()
	ctx := context.Background()
	hit := func(b *testing.B) {
		if _, hit, err := v.Verify(ctx, raw, start); !hit || err != nil {
			b.Fatal("miss")
		}
	}
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			hit(b)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				hit(b)
			}
		})
	})
}

// BenchmarkBadToken is what a flood costs, by how far a token gets.
func BenchmarkBadToken(b *testing.B) {
	f := newFixture(b)
	good := f.Sign(f.Claims(api, start))
	forged := func(n int) string { // never the same within a thousand
		at := len(good) - 4 - n%10*4
		return good[:at] + strconv.Itoa(n/10%10) + strconv.Itoa(n/100%10) + good[at+2:]
	}
	b.Run("signature, ever new", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if _, err := f.verify(forged(n)); err == nil {
				b.Fatal("admitted")
			}
		}
	})
	for name, raw := range map[string]string{
		"dots":      strings.Repeat(".", MaxBytes),
		"garbage":   strings.Repeat("x", 900),
		"json":      good[:3] + "A" + good[4:],
		"kid":       f.Key().Sign(b, []byte(`{"iss":"`+issuerURL+`"}`), map[string]any{"kid": "unknown"}),
		"expired":   f.Sign(f.Claims(api, start), tokentest.Claims{"iat": start.Unix() - 7200, "exp": start.Unix() - 3600}),
		"signature": good[:len(good)-2] + flip(good[len(good)-2]) + good[len(good)-1:],
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.verify(raw); err == nil {
					b.Fatal("admitted")
				}
			}
		})
	}
}

func BenchmarkExtract(b *testing.B) {
	raw := strings.Repeat("x", 900)
	header := httptest.NewRequest(http.MethodGet, "/a?b=c&d=e", nil)
	header.Header.Set("Authorization", "Bearer "+raw)
	cookies := httptest.NewRequest(http.MethodGet, "/", nil)
	cookies.Header.Set("Cookie", "a=b; c=d; session="+raw+"; e=f")
	for name, c := range map[string]struct {
		r *http.Request
		s Sources
	}{
		"header": {header, nil},
		"cookie": {cookies, Sources{{}, {Cookie: "session"}}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := c.s.Extract(c.r); err != nil || QueryToken(c.r) {
					b.Fatal(err)
				}
			}
		})
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// A herd comes with one token that nobody remembers, as after a restart: one
// operation is all of them.
func BenchmarkHerd(b *testing.B) {
	i := tokentest.New(b, issuerURL)
	keys := staticKeys(b, i, start)
	raw := i.Sign(i.Claims(api, start), tokentest.Claims{"pad": strings.Repeat("x", 400)})
	for _, size := range []int{1, 16, 256} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			var used int64
			defer func() { b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op") }()
			for b.Loop() {
				b.StopTimer()
				cache, err := NewCache(0)
				if err != nil {
					b.Fatal(err)
				}
				v := newTestVerifier(b, VerifierConfig{Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}, keys}}, Cache: cache})
				var herd sync.WaitGroup
				begin := make(chan struct{})
				for range size {
					herd.Go(func() {
						<-begin
						if _, _, err := v.Verify(context.Background(), raw, start); err != nil {
							b.Error(err)
						}
					})
				}
				before := cpu()
				b.StartTimer()
				close(begin)
				herd.Wait()
				used += cpu() - before
			}
		})
	}
}

func cpu() int64 {
	var u syscall.Rusage
	syscall.Getrusage(0, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkProve is what a DPoP proof adds to each request: every proof is new, so
// none can come from a cache.
func BenchmarkProve(b *testing.B) {
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		b.Run(alg, func(b *testing.B) {
			h := newHolder(b, alg)
			p := shownWith(h.proof(nil, nil))
			b.ReportAllocs()
			for b.Loop() {
				if err := h.token.Prove(p, new(Replays)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	// What a thief or a flood can order: no signature is checked.
	b.Run("another key", func(b *testing.B) {
		h, other := newHolder(b, "ES256"), newHolder(b, "ES256")
		p := shownWith(other.proof(nil, nil))
		b.ReportAllocs()
		for b.Loop() {
			if h.token.Prove(p, new(Replays)) == nil {
				b.Fatal("admitted")
			}
		}
	})
}
