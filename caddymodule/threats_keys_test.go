package caddymodule_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

// K1: a key is its issuer's: the same kid elsewhere is another key, whichever
// was fetched first.
func TestK1SameKidOfTwoIssuers(t *testing.T) {
	for _, firstToFail := range []bool{false, true} {
		down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
		g, other := startTwo(t, func(first, second *tokentest.Issuer) {
			if first.Fail(nil); firstToFail {
				first.Fail(down)
			} else {
				second.Fail(down)
			}
		})
		mine := g.claims("alice")
		theirs := g.claims("alice")
		theirs["iss"], theirs["aud"] = other.URL, "shop"
		if g.issuer.Key().ID != other.Key().ID {
			t.Fatal("the kids differ: this test shows nothing")
		}
		g.issuer.Fail(nil)
		other.Fail(nil)
		g.awaitStatus("/api/x", g.issuer.Sign(mine), 200)
		g.awaitStatus("/shop/x", other.Sign(theirs), 200)
		before := g.upstream.count()
		for path, token := range map[string]string{"/api/x": other.Sign(mine), "/shop/x": g.issuer.Sign(theirs)} {
			if a := g.get(path, token); a.StatusCode != 401 {
				t.Errorf("%s: %d", path, a.StatusCode)
			}
		}
		if g.upstream.count() != before {
			t.Error("the upstream was contacted")
		}
		g.stop()
	}
}

// forge makes a token with any header and signature.
func forge(header, claims any, sign func(string) []byte) string {
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := encode(header) + "." + encode(claims)
	return signed + "." + base64.RawURLEncoding.EncodeToString(sign(signed))
}

// refuse checks that none of these tokens is let in.
func (g *gateway) refuse(tokens map[string]string) {
	g.t.Helper()
	for name, token := range tokens {
		before := g.upstream.count()
		if a := g.ask("GET", "/", "Authorization: Bearer "+token); a.StatusCode != 401 && a.StatusCode != 400 && a.StatusCode != 431 || g.upstream.count() != before {
			g.t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	if a := g.get("/", g.token("alice")); a.StatusCode != 200 {
		g.t.Errorf("a good one: %d %s", a.StatusCode, a.body)
	}
}

// K2: the algorithm is the key's, never the token's to choose.
func TestK2AlgorithmConfusion(t *testing.T) {
	g := start(t, global, sites)
	public := g.issuer.Key().Public()
	der, err := x509.MarshalPKIXPublicKey(public.Key)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := public.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	tokens := make(map[string]string)
	for name, secret := range map[string][]byte{
		"der": der, "jwk": jwk, "pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "empty": nil,
	} {
		for _, alg := range []string{"HS256", "ES256", "hs256"} {
			tokens["hmac with "+name+" as "+alg] = forge(map[string]any{"alg": alg, "kid": public.KeyID, "typ": "at+jwt"}, g.claims("alice"), func(s string) []byte {
				m := hmac.New(sha256.New, secret)
				m.Write([]byte(s))
				return m.Sum(nil)
			})
		}
	}
	for _, alg := range []any{"none", "None", "nOnE", "NONE", "", nil, 0, []string{"none"}, map[string]string{}, "ES384", "RS256", "EdDSA", "ES256 "} {
		for _, signature := range [][]byte{nil, {0}, make([]byte, 64)} {
			tokens[fmt.Sprintf("alg %v with %d bytes", alg, len(signature))] = forge(map[string]any{"alg": alg, "kid": public.KeyID, "typ": "at+jwt"},
				g.claims("alice"), func(string) []byte { return signature })
		}
	}
	payload, _ := json.Marshal(g.claims("alice"))
	mallory := tokentest.NewKey(t, public.KeyID, "ES256")
	tokens["another key of that kid"] = mallory.Sign(t, payload, nil)
	tokens["a key that it brings"] = mallory.Sign(t, payload, map[string]any{"jwk": mallory.Public()})
	tokens["a key that it names"] = mallory.Sign(t, payload, map[string]any{"jku": g.issuer.URL + "/jwks"})
	tokens["a file as kid"] = mallory.Sign(t, payload, map[string]any{"kid": "../../../../dev/null"})
	g.refuse(tokens)
}

// K3: the compact serialisation and no other. K5: nothing encrypted or packed.
func TestK3OtherSerialisations(t *testing.T) {
	g := start(t, global, sites)
	good := g.token("alice")
	p := strings.Split(good, ".")
	flat, _ := json.Marshal(map[string]string{"protected": p[0], "payload": p[1], "signature": p[2]})
	general, _ := json.Marshal(map[string]any{"payload": p[1], "signatures": []map[string]string{{"protected": p[0], "signature": p[2]}, {"protected": p[0], "signature": "AA"}}})
	payload, _ := json.Marshal(g.claims("alice"))
	sign := func(header map[string]any) string { return g.issuer.Key().Sign(t, payload, header) }
	g.refuse(map[string]string{
		"flat":      string(flat),
		"general":   string(general),
		"encoded":   base64.RawURLEncoding.EncodeToString(flat),
		"four":      good + "." + p[2],
		"five":      good + ".AA.AA",
		"encrypted": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`)) + "..AAAA.AAAA.AAAA",
		"pbes2":     base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483647}`)) + ".AA.AAAA.AAAA.AAAA",
		"zip":       sign(map[string]any{"zip": "DEF"}),
		"crit":      sign(map[string]any{"crit": []string{"exp"}, "exp": 1}),
		"id token":  sign(map[string]any{"typ": "JWT"}),
		"logout":    sign(map[string]any{"typ": "logout+jwt"}),
		"no typ":    sign(map[string]any{"typ": nil}),
		"detached":  p[0] + ".." + p[2],
		"padded":    good + "=",
		"spaced":    strings.Replace(good, ".", ". ", 1),
	})
}

// K4: a flood of dots is refused before anything is parsed.
func TestK4Dots(t *testing.T) {
	g := start(t, global, sites)
	began := time.Now()
	g.refuse(map[string]string{
		"16 KB": strings.Repeat(".", 16<<10), "900 KB": strings.Repeat(".", 900<<10), "a header and dots": "eyJhbGciOiJFUzI1NiJ9" + strings.Repeat(".", 15<<10),
	})
	if took := time.Since(began); took > tooLong {
		t.Errorf("took %v", took)
	}
}

// K6: whatever a provider publishes, the process lives, and nothing of it is a key.
func TestK6HostileKeySets(t *testing.T) {
	hostile := []string{
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"key-1"}]}`, `{"keys":[null,1,"x",[]]}`, `{"keys":{"kid":"key-1"}}`,
		`{"keys":[{"kty":"oct","k":"AAAA","kid":"key-1","alg":"HS256"}]}`, `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"key-1"}]}`,
		strings.Repeat("[", 100000), `{"keys":[` + strings.Repeat(`{"kty":"EC"},`, 20000) + `{}]}`, "\xff\xfe", `{"keys":[{"kty":"RSA","n":"","e":""}]}`,
	}
	var mu sync.Mutex
	at := 0
	g := prepare(t)
	issuer := g.issuer.URL
	g.issuer.Fail(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "openid-configuration") {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, issuer+"/jwks")
			return
		}
		mu.Lock()
		defer mu.Unlock()
		_, _ = w.Write([]byte(hostile[at%len(hostile)]))
		at++
	}))
	g.load(global, sites)
	token := g.token("alice")
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if a := g.get("/", token); a.StatusCode != 503 {
			t.Fatalf("got %d %s", a.StatusCode, a.body)
		}
		mu.Lock()
		enough := at >= howMany(4, len(hostile))
		mu.Unlock()
		if enough {
			break
		}
	}
	g.issuer.Fail(nil)
	g.awaitStatus("/", token, 200)
}

// K7: a token that was cut or changed anywhere is another one.
func TestK7EditsAndTruncations(t *testing.T) {
	g := start(t, global, sites)
	good := g.token("alice")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	tokens := make(map[string]string)
	step := howMany(7, 1)
	for i := 0; i < len(good); i += step {
		tokens[fmt.Sprintf("cut at %d", i)] = good[:i]
		c := alphabet[(strings.IndexByte(alphabet, good[i])+1+i)%len(alphabet)]
		if c != good[i] {
			tokens[fmt.Sprintf("changed at %d", i)] = good[:i] + string(c) + good[i+1:]
		}
	}
	// The bits that the last character of a part doesn't use.
	for i, part := range strings.Split(good, ".") {
		last := part[len(part)-1]
		c := alphabet[(strings.IndexByte(alphabet, last) ^ 1)]
		if len(part)%4 != 0 {
			p := strings.Split(good, ".")
			p[i] = part[:len(part)-1] + string(c)
			tokens[fmt.Sprintf("unused bits of part %d", i)] = strings.Join(p, ".")
		}
	}
	g.refuse(tokens)
}

// K8: what one route admitted, another route judges by its own rules, in either
// order and from the cache.
func TestK8RoutesShareNoDecision(t *testing.T) {
	g := start(t, global, sites)
	for n := range 4 {
		token := g.token(fmt.Sprintf("alice|%d", n))
		paths := []string{"/", "/billing", "/", "/billing"}
		if n%2 == 1 {
			paths = []string{"/billing", "/", "/billing", "/"}
		}
		for _, path := range paths {
			want := map[string]int{"/": 200, "/billing": 401}[path]
			if a := g.get(path, token); a.StatusCode != want {
				t.Errorf("%s: %d, want %d", path, a.StatusCode, want)
			}
		}
	}
	// Fields that could run into one another: each is cut alone.
	pairs := [][2]string{{"a|b", "c"}, {"a", "b|c"}, {"a\x00b", "c"}, {"a", "b\x00c"}, {"a:b", "c"}, {"a", "b:c"}}
	tokens := make([]string, len(pairs))
	for i, p := range pairs {
		tokens[i] = g.token(p[0], tokentest.Claims{"client_id": p[1], "sid": p[1]})
		if a := g.get("/", tokens[i]); a.StatusCode != 200 {
			t.Fatalf("%q: %d %s", p, a.StatusCode, a.body)
		}
	}
	for i, p := range pairs {
		g.revoke(map[string]string{"iss": g.issuer.URL, "sub": p[0], "client_id": p[1]})
		for j := range pairs {
			want := 200
			if j <= i {
				want = 401
			}
			if a := g.get("/", tokens[j]); a.StatusCode != want {
				t.Errorf("after %q was cut, %q gets %d", p, pairs[j], a.StatusCode)
			}
		}
	}
}

// K9 and F-12: storms of unknown keys and of bad signatures cause no storm at
// the provider, and those who have a good token don't notice.
func TestK9StormsAreThrottled(t *testing.T) {
	g := start(t, global, sites)
	began, before := time.Now(), g.issuer.Fetches()
	good := g.token("alice")
	payload, _ := json.Marshal(g.claims("mallory"))
	known := tokentest.NewKey(t, g.issuer.Key().ID, "ES256")
	var senders sync.WaitGroup
	for worker := range 4 {
		senders.Go(func() {
			for n := range howMany(100, 5000) {
				key := known
				if n%2 == 0 {
					key = tokentest.Key{ID: fmt.Sprintf("kid-%d-%d", worker, n), Algorithm: "ES256", Signer: known.Signer}
				}
				if a := g.get("/", key.Sign(t, payload, nil)); a.StatusCode != 401 {
					t.Errorf("got %d", a.StatusCode)
				}
			}
		})
	}
	for range 50 {
		if a := g.get("/", good); a.StatusCode != 200 {
			t.Errorf("a good token: %d", a.StatusCode)
		}
	}
	senders.Wait()
	took := time.Since(began)
	if n := g.issuer.Fetches() - before; n > 2+int(took/(10*time.Second)) {
		t.Errorf("the provider was asked %d times in %v", n, took)
	}
}

// F-13: a new key is taken as soon as a token shows it; a removed one is
// refused once the keys were fetched again.
func TestF13KeyRotation(t *testing.T) {
	if howMany(0, 1) == 0 {
		t.Skip("waits for the interval between fetches: set CURFEW_LONG")
	}
	g := start(t, global, sites)
	old := g.token("alice")
	g.get("/", old)
	g.issuer.Rotate(tokentest.NewKey(t, "key-2", "ES256"))
	g.awaitStatus("/", g.token("alice"), 200)
	if a := g.get("/", old); a.StatusCode != 401 {
		t.Errorf("a token of the removed key: %d", a.StatusCode)
	}
}
