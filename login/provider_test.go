package login

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func clientKey(t *testing.T) *ClientKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseClientKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestHowAClientAuthenticates(t *testing.T) {
	const secret = "a secret: with/odd characters"
	basic := url.QueryEscape("curfew-web") + ":" + url.QueryEscape(secret)
	withSecret := func(c *Config) { c.ClientSecret = func() (string, error) { return secret, nil } }
	for name, tt := range map[string]struct {
		set      option
		methods  any
		basic    string
		secret   string
		asserted bool
	}{
		"public":                  {func(*Config) {}, nil, ":", "", false},
		"secret, nothing said":    {withSecret, nil, basic, "", false},
		"secret, both":            {withSecret, []string{"client_secret_post", "client_secret_basic"}, basic, "", false},
		"secret, post only":       {withSecret, []string{"client_secret_post"}, ":", secret, false},
		"key":                     {func(c *Config) { c.ClientKey = clientKey(t) }, []string{"private_key_jwt"}, ":", "", true},
		"key, whatever is said":   {func(c *Config) { c.ClientKey = clientKey(t) }, nil, ":", "", true},
		"secret, other ways only": {withSecret, []string{"tls_client_auth"}, basic, "", false},
	} {
		for _, pushed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t, tt.set)
				w.provider.metadata = map[string]any{"require_pushed_authorization_requests": pushed}
				if tt.methods != nil {
					w.provider.metadata["token_endpoint_auth_methods_supported"] = tt.methods
				}
				b := w.browser("alice")
				b.wantSignedIn(app + "/")
				if want := map[bool]int{false: 1, true: 2}[pushed]; len(w.provider.forms) != want {
					t.Fatalf("%d forms", len(w.provider.forms))
				}
				ids := make(map[string]bool)
				for i, form := range w.provider.forms {
					if w.provider.basic[i] != tt.basic || form.Get("client_secret") != tt.secret {
						t.Errorf("form %d: basic %q, post %q", i, w.provider.basic[i], form.Get("client_secret"))
					}
					if (form.Get("client_assertion") != "") != tt.asserted {
						t.Errorf("form %d: %v", i, form)
					}
					if !tt.asserted {
						continue
					}
					c := assertionClaims(t, form.Get("client_assertion"))
					if c["aud"] != providerURL || c["iss"] != "curfew-web" || c["sub"] != "curfew-web" || ids[c["jti"].(string)] ||
						form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
						t.Errorf("form %d: %v", i, c)
					}
					ids[c["jti"].(string)] = true
				}
			})
		}
	}
}

func assertionClaims(t *testing.T, jwt string) map[string]any {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// RFC 9126.
func TestAPushedRequestShowsTheBrowserNothing(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Resources = []string{"https://a.example", "https://b.example"}
		c.Params = []Param{{"hd", "example.com"}}
	})
	w.provider.metadata = map[string]any{"require_pushed_authorization_requests": true}
	b := w.browser("alice")
	p := b.step(app + "/")
	u, err := url.Parse(p.header.Get("Location"))
	if err != nil || len(u.Query()) != 3 || u.Query().Get("client_id") != "curfew-web" || u.Query().Get("request_uri") == "" || u.Query().Get("v") != "1" {
		t.Errorf("sent to %s", u)
	}
	form := w.provider.forms[0]
	if form.Get("code_challenge_method") != "S256" || form.Get("hd") != "example.com" || len(form["resource"]) != 2 || form.Get("state") == "" {
		t.Errorf("pushed %v", form)
	}
	w.provider.metadata["pushed_authorization_request_endpoint"] = nil
	w.configure()
	b.open(app+"/").want(t, http.StatusBadGateway, PageProvider)
}

func TestAProviderThatIsDownAtTheStartIsAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.provider.down = true
	b := w.browser("alice")
	b.open(app+"/").want(t, http.StatusBadGateway, PageProvider)
	w.provider.down = false
	b.open(app+"/").want(t, http.StatusBadGateway, PageProvider) // it is not asked for every request
	w.advance(metadataRetry)
	b.wantSignedIn(app + "/")
	// What it said of itself still holds when it can't be asked.
	w.provider.down = true
	w.advance(metadataAge + time.Second)
	if p := w.browser("bob").step(app + "/"); p.status != http.StatusSeeOther {
		t.Errorf("got %d", p.status)
	}
}

func TestAProviderCannotSendBrowsersAnywhere(t *testing.T) {
	for name, metadata := range map[string]map[string]any{
		"plain http": {"authorization_endpoint": "http://login.example.com/authorize"}, "no endpoint": {"authorization_endpoint": nil},
		"a script": {"authorization_endpoint": "javascript:alert(1)"}, "this machine": {"token_endpoint": "https://localhost/token"},
		"another issuer": {"issuer": "https://evil.example"}, "a list": {"authorization_endpoint": []string{"https://login.example.com/"}},
	} {
		w := newWorld(t)
		w.provider.metadata = metadata
		p := w.browser("alice").open(app + "/")
		if p.status != http.StatusBadGateway || p.kind() != PageProvider {
			t.Errorf("%s: %d", name, p.status)
		}
	}
	w := newWorld(t)
	w.provider.metadata = map[string]any{"end_session_endpoint": "javascript:alert(1)"}
	b, _ := w.signedIn("alice")
	if p := b.post(app+"/.curfew/sign-out", nil); strings.Contains(p.body, "javascript") {
		t.Errorf("a form to %s", p.body)
	}
}

// RFC 9207 where it is not announced: a wrong iss is refused all the same.
func TestIssOfAnAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		announced bool
		iss       string
		ok        bool
	}{
		"announced, right": {true, providerURL, true}, "announced, wrong": {true, "https://evil.example", false}, "announced, empty": {true, "", false},
		"silent, right": {false, providerURL, true}, "silent, wrong": {false, providerURL + "/", false},
	} {
		w := newWorld(t)
		w.provider.metadata = map[string]any{"authorization_response_iss_parameter_supported": tt.announced}
		w.provider.answer = map[string]string{"iss": tt.iss}
		if p := w.browser("alice").open(app + "/"); tt.ok != (p.status == 200) || !tt.ok && p.kind() != PageStartAgain {
			t.Errorf("%s: %d %s", name, p.status, p.body)
		}
	}
}

func TestClientKeys(t *testing.T) {
	encode := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, sec1Err := x509.MarshalECPrivateKey(curve)
	pkcs8, pkcs8Err := x509.MarshalPKCS8PrivateKey(edwards)
	other, otherErr := x509.MarshalPKCS8PrivateKey(exchange)
	jwk, jwkErr := (&jose.JSONWebKey{Key: curve, KeyID: "k", Algorithm: "ES384"}).MarshalJSON()
	wrong, wrongErr := (&jose.JSONWebKey{Key: curve, Algorithm: "RS256"}).MarshalJSON()
	if err := errors.Join(jwkErr, wrongErr); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		text string
		ok   bool
	}{
		"PKCS #1":                  {encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small), nil), true},
		"SEC 1":                    {encode("EC PRIVATE KEY", sec1, sec1Err), true},
		"PKCS #8":                  {encode("PRIVATE KEY", pkcs8, pkcs8Err), true},
		"JWK":                      {string(jwk), true},
		"a key that signs nothing": {encode("PRIVATE KEY", other, otherErr), false},
		"JWK of another algorithm": {string(wrong), false},
		"nothing":                  {"", false},
		"no key":                   {"x", false},
		"a public JWK":             {`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`, false},
		"a symmetric JWK":          {`{"kty":"oct","k":"AAAA"}`, false},
		"what is not DER":          {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", false},
	} {
		key, err := ParseClientKey([]byte(tt.text))
		if tt.ok != (err == nil) || err != nil && strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if signed, err := key.assertion("web", providerURL, time.Unix(1_800_000_000, 0)); err != nil || strings.Count(signed, ".") != 2 {
			t.Errorf("%s signs %q, %v", name, signed, err)
		}
	}
	if _, err := algorithmOf(&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023)}}); err == nil {
		t.Error("RSA with 1024 bits is taken")
	}
}
