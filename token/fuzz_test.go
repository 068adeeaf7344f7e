package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

func encode(parts ...string) string {
	for i, p := range parts {
		parts[i] = base64.RawURLEncoding.EncodeToString([]byte(p))
	}
	return strings.Join(parts, ".")
}

// FuzzParse: no panic, and what is accepted has no other spelling.
func FuzzParse(f *testing.F) {
	f.Add(encode(`{"alg":"RS256","typ":"at+jwt","kid":"k"}`, `{"iss":"x"}`, "signature"))
	f.Add(encode(`{"alg":"none"}`, `{}`, "x"))
	f.Add(encode(`{"alg":"RS256","jku":"https://x","x5u":1,"x5c":["A"],"jwk":null,"nonce":1e999}`, `{}`, "x"))
	f.Add("e30.e30.e31")
	f.Add("...")
	f.Add(strings.Repeat(".", 100))
	f.Add(`{"payload":"e30","protected":"e30","signature":"e30"}`)
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := parseCompact(raw)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Kind != Invalid {
				t.Fatalf("got %v", err)
			}
			return
		}
		if plain, err := parseCompact(c.plain()); err != nil || plain.header.more || plain.header.alg != c.header.alg || plain.payload != c.payload {
			t.Fatalf("%q is not %q: %v", c.plain(), raw, err)
		}
		parts := strings.Split(raw, ".")
		if len(parts) != 3 || c.header.alg == "" || encode(c.payload) != parts[1] {
			t.Fatalf("%q is not canonical", raw)
		}
		for _, p := range parts {
			b, err := base64.RawURLEncoding.DecodeString(p)
			if err != nil || base64.RawURLEncoding.EncodeToString(b) != p {
				t.Fatalf("%q is not canonical", p)
			}
		}
	})
}

// FuzzClaims: no panic, and what is admitted can be revoked.
func FuzzClaims(f *testing.F) {
	i := &issuer{checked: newChecked(), Issuer: Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}, Clients: []string{"web"}}.withDefaults()}
	i.Accept = []Accept{AccessTokenLenient, IDToken}
	i.DeviceClaim, i.TenantClaim, i.AudienceClaim = "device", "tid", "resource"
	var err error
	if i.dialect, err = newDialect(i.Issuer, nil); err != nil {
		f.Fatal(err)
	}
	good, _ := json.Marshal(tokentest.New(f, issuerURL).Claims(api, start))
	f.Add(string(good), "at+jwt")
	f.Add(strings.Replace(string(good), "alice", `\u0061lice`, 1), "jwt")
	f.Add(`{"iss":"`+issuerURL+`","aud":["web"],"sub":"a","iat":1795168800,"exp":1795168801.5}`, "")
	f.Add(`{"iss":"`+issuerURL+`","sub":"a","client_id":"web","resource":["`+api+`"],"iat":1795168800,"exp":1795168801}`, "")
	f.Add(`{"exp":1e308,"iat":-1,"sub":null}`, "")
	f.Add(`{"iss":"`+issuerURL+`","aud":["`+api+`"],"sub":"a","client_id":"web","iat":1.7951688E9,"exp":17951688012.5e-1,"nbf":0}`, "at+jwt")
	f.Add(`{"iss":"`+issuerURL+`","aud":"web","sub":"a","iat":1795168800,"exp":1795168801,"sid":"","acr":1,"amr":[{}],"tid":null,"nonce":1}`, "")
	f.Add(`{"iss":"`+issuerURL+`","aud":"web","sub":"a","iat":1795168800,"exp":1795168801,"scope":null,"auth_time":"1"}`, "jwt")
	f.Fuzz(func(t *testing.T, payload, typ string) {
		members, err := parseObject(payload)
		if err != nil {
			return
		}
		c, err := i.dialect.read(members)
		if err != nil {
			return
		}
		o := &Opened{compact: compact{header: header{alg: "RS256", typ: typ}, payload: payload}, issuer: i, members: members, claims: c, key: &key{id: "k"}}
		admitted, err := o.Judge(start)
		if err != nil {
			return
		}
		switch {
		case c.subject == "" || len(c.subject) > revocation.MaxSubject:
			t.Fatal("no usable subject")
		case c.issuedAt <= 0 || c.issuedAt > start.Unix()+2 || c.authTime > start.Unix()+2:
			t.Fatal("issued in the future")
		case c.expiresAt-c.issuedAt > int64(DefaultMaxTokenLifetime/time.Second):
			t.Fatal("lives too long")
		case len(admitted.Credential.Audiences) == 0:
			t.Fatal("for nobody")
		case c.hasEvents || c.hasConfirmation:
			t.Fatal("not a bearer token")
		}
		target := revocation.Target{Issuer: issuerURL, Subject: c.subject}
		if err := target.Validate(); err != nil {
			t.Fatalf("can't be targeted: %v", err)
		}
	})
}

// FuzzJWKS (K6): no panic, and only keys that may be used.
func FuzzJWKS(f *testing.F) {
	for _, alg := range []string{"RS256", "PS512", "ES256", "ES512", "EdDSA"} {
		jwk, err := json.Marshal(tokentest.NewKey(f, "k", alg).Public())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(`{"keys":[` + string(jwk) + `]}`)
	}
	for _, pair := range [][2]tokentest.Key{
		{tokentest.NewKey(f, "k", "RS256"), tokentest.NewKey(f, "k", "RS256")},
		{tokentest.NewKey(f, "k", "ES256"), tokentest.NewKey(f, "k", "EdDSA")},
	} {
		one, _ := json.Marshal(pair[0].Public())
		two, _ := json.Marshal(pair[1].Public())
		f.Add(`{"keys":[` + string(one) + `,` + string(two) + `,` + string(one) + `,{"kty":"oct","k":"AAAA","kid":"k"}]}`)
	}
	f.Add(`{"keys":[]}`)
	f.Add(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)
	f.Add(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":"AAAA"},{"kty":"EC","crv":"P-256"},null,1]}`)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseKeyring(s)
		if err != nil {
			return
		}
		if len(r.keys) == 0 || len(r.keys) > maxKeys {
			t.Fatalf("%d keys", len(r.keys))
		}
		for _, k := range r.keys {
			if len(k.algorithms) == 0 {
				t.Fatalf("key %q is not usable", k.id)
			}
			for _, alg := range k.algorithms {
				if k.id != "" && r.find(k.id, alg) != k {
					t.Fatalf("key %q is ambiguous for %s", k.id, alg)
				}
				if k.verify(alg, nil, []byte("x")) {
					t.Fatalf("key %q signed everything with %s", k.id, alg)
				}
			}
		}
	})
}

// FuzzQuery: no panic, and the plain spelling is always found.
func FuzzQuery(f *testing.F) {
	f.Add("a=b&access_token=x")
	f.Add("%61ccess%5Ftoken=x;a")
	f.Fuzz(func(t *testing.T, q string) {
		if !strings.HasSuffix(q, "%") && !QueryToken(withQuery(q+"&access_token=x")) {
			t.Fatalf("not found after %q", q)
		}
		QueryToken(withQuery(q))
	})
}
