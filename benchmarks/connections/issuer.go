package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"time"
)

// issuer is an OpenID provider that issues tokens for every user.
type issuer struct {
	url string
	key *ecdsa.PrivateKey
}

const audience, tenant = "api", "contoso"

func startIssuer() (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &issuer{"http://" + l.Addr().String(), key}
	go func() { _ = http.Serve(l, i) }()
	return i, nil
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"}
	if r.URL.Path == "/keys" {
		point, err := i.key.PublicKey.Bytes()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer = map[string]any{"keys": []any{map[string]string{
			"kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256", "use": "sig", "x": encode(point[1:33]), "y": encode(point[33:]),
		}}}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// token returns a token of a user who signed in some time ago.
func (i *issuer) token(user int) (string, error) {
	now := time.Now().Unix()
	name := subject(user)
	claims, err := json.Marshal(map[string]any{
		"iss": i.url, "aud": audience, "sub": name, "client_id": "web", "sid": "s-" + name, "jti": "t-" + name, "tid": tenant,
		"iat": now - 60, "auth_time": now - 60, "exp": now + 3600,
	})
	if err != nil {
		return "", err
	}
	signed := encode([]byte(`{"alg":"ES256","typ":"at+jwt","kid":"1"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + encode(signature), nil
}

func subject(user int) string { return "user-" + strconv.Itoa(user) }
