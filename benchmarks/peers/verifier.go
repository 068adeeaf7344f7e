package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
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
	"os"
	"strings"
	"time"
)

// verifierRole is the argument that makes this program the small verifier that
// operators put behind auth_request and forward_auth: it checks signature and
// expiry of each request's token, and whether it was revoked.
const verifierRole = "serve-as-verifier"

// serveAsVerifier answers 204 or 401. It looks revoked tokens up in memory if
// it has no address of a Redis.
func serveAsVerifier(address, keyFile, redis string) error {
	b, err := os.ReadFile(keyFile)
	if err != nil {
		return fmt.Errorf("reading the key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return fmt.Errorf("reading the key: %s is not PEM", keyFile)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("reading the key: %w", err)
	}
	v := &verifier{key: key, revoked: map[string]bool{"jti-of-somebody": true}}
	if redis != "none" {
		v.redis = newRedis(redis)
	}
	return (&http.Server{Addr: address, Handler: v, ReadHeaderTimeout: time.Minute}).ListenAndServe()
}

type verifier struct {
	key     crypto.PublicKey
	revoked map[string]bool
	redis   *redis // nil: the map
}

func (v *verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	claims, err := v.check(raw)
	if !ok || err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header()["X-Authenticated"] = []string{"true"}
	w.Header()["X-Issuer"], w.Header()["X-Subject"] = []string{claims.Issuer}, []string{claims.Subject}
	w.WriteHeader(http.StatusNoContent)
}

var errRefused = errors.New("refused")

// claims are what the verifier reads of a token.
type claims struct {
	Expires int64  `json:"exp"`
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	ID      string `json:"jti"`
}

func (v *verifier) check(raw string) (c claims, err error) {
	cut := strings.LastIndexByte(raw, '.')
	if cut < 0 {
		return c, errRefused
	}
	_, payload, ok := strings.Cut(raw[:cut], ".")
	signature, err := base64.RawURLEncoding.DecodeString(raw[cut+1:])
	if !ok || err != nil || !v.signed(raw[:cut], signature) {
		return c, errRefused
	}
	b, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return c, errRefused
	}
	if json.Unmarshal(b, &c) != nil || c.Expires < time.Now().Unix() {
		return c, errRefused
	}
	if v.redis == nil {
		if v.revoked[c.ID] || v.revoked[c.Subject] {
			return c, errRefused
		}
		return c, nil
	}
	revoked, err := v.redis.any(c.ID, c.Subject)
	if err != nil || revoked {
		return c, errRefused
	}
	return c, nil
}

func (v *verifier) signed(text string, signature []byte) bool {
	sum := sha256.Sum256([]byte(text))
	switch key := v.key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	case *ecdsa.PublicKey:
		return len(signature) == 64 &&
			ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	}
	return false
}

// redis queries a Redis over a few kept-alive connections, in the protocol of
// Redis.
type redis struct {
	address string
	idle    chan *bufio.ReadWriter
}

func newRedis(address string) *redis { return &redis{address, make(chan *bufio.ReadWriter, 64)} }

// any reports whether one of two keys exists.
func (r *redis) any(a, b string) (bool, error) {
	var c *bufio.ReadWriter
	select {
	case c = <-r.idle:
	default:
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			return false, fmt.Errorf("dialling Redis: %w", err)
		}
		c = bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
	}
	fmt.Fprintf(c, "*3\r\n$6\r\nEXISTS\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(a), a, len(b), b)
	if err := c.Flush(); err != nil {
		return false, fmt.Errorf("asking Redis: %w", err)
	}
	line, err := c.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, ":") {
		return false, fmt.Errorf("asking Redis: %q: %w", line, err)
	}
	select {
	case r.idle <- c:
	default:
	}
	return line != ":0\r\n", nil
}
