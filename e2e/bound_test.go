//go:build e2e

package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
)

// told is what clients/bound.mjs says of one request.
type told struct {
	Name      string `json:"name"`
	Status    int    `json:"status"`
	Scheme    string `json:"scheme"`
	Error     string `json:"error"`
	Algs      string `json:"algs"`
	Metadata  string `json:"resource_metadata"`
	Challenge string `json:"challenge"`
	JKT       string `json:"jkt"`
	X5T       string `json:"x5t"`
}

// TestBoundTokensOfClientsThatAreNotOurs has openid-client and oauth4webapi get
// bound tokens of oidc-provider and use them here.
func TestBoundTokensOfClientsThatAreNotOurs(t *testing.T) {
	p := newProvider(t)
	if _, err := os.Stat(filepath.Join("clients", "node_modules", "openid-client")); err != nil {
		gatewaytest.Missing(t, "the clients are not installed: run `npm ci` in e2e/clients")
	}
	nonce, mutual := freeAddress(t), freeAddress(t)
	_, port, _ := strings.Cut(mutual, ":")
	dir := t.TempDir()
	server, own, other := keyPair(t, dir, "localhost"), keyPair(t, dir, "own"), keyPair(t, dir, "other")
	g := newGateway(t, p, config{Extra: fmt.Sprintf(`

http://%s {
	curfew {
		dpop_nonce
		require_bound_tokens
	}
	respond ok
}

https://localhost:%s {
	bind 127.0.0.1
	tls %s %s {
		client_auth {
			mode request
		}
	}
	curfew
	respond ok
}
`, nonce, port, server["cert"], server["key"])})
	arguments, err := json.Marshal(map[string]any{
		"issuer": p.Issuer, "app": "http://" + g.App, "nonce": "http://" + nonce, "mutual": "https://localhost:" + port,
		"ca": server["cert"], "own": own, "other": other, "user": "judy", "password": password,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "bound.mjs", string(arguments))
	cmd.Dir = "clients"
	cmd.Stderr = logFile(t, "clients")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	clients := start(t, cmd)
	t.Cleanup(func() { _ = clients.End(os.Kill) })

	type want struct {
		status int
		error  string // of the challenge
	}
	ok, badProof, badToken := want{200, ""}, want{401, "invalid_dpop_proof"}, want{401, "invalid_token"}
	wants := map[string]want{
		"openid-client": ok, "openid-client again": ok, "oauth4webapi": ok, "jose": ok, "alg Ed25519": ok, "alg PS256": ok, "alg RS256": ok,
		"alg ES384": ok, "alg ES512": ok, "oauth4webapi, step-up": {401, "insufficient_user_authentication"}, "oauth4webapi, without a proof": badToken,
		"nothing": {401, ""}, "nonce, openid-client": ok, "nonce asked": {401, "use_dpop_nonce"}, "nonce given": ok, "nonce repeated": ok,
		"replayed": badProof, "missing": badProof, "wrong method": badProof, "wrong URL": badProof, "wrong host": badProof, "wrong key": badToken,
		"wrong signature": badProof, "wrong hash": badProof, "no hash": badProof, "stale": badProof, "future": badProof,
		"private key members": badProof, "typ": badProof, "two proofs": badProof, "bearer": badToken, "bearer with a proof": badToken,
		"right certificate": ok, "another certificate": badToken, "no certificate": badToken, "certificate-bound over plain HTTP": badToken,
		"cut key": badToken, "cut key after a new sign-in": badToken, "a new key": ok, "cut certificate": badToken,
	}
	seen := make(map[string]bool)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var said told
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			t.Fatalf("the clients said %q", lines.Text())
		}
		seen[said.Name] = true
		switch said.Name {
		case "end":
			continue
		case "ready":
			g.cut(t, object{"target": object{"jkt": said.JKT}})
			g.cut(t, object{"target": object{"x5t_s256": said.X5T}})
			if _, err := io.WriteString(in, "cut\n"); err != nil {
				t.Fatal(err)
			}
			continue
		}
		w, known := wants[said.Name]
		code := said.Error
		if said.Challenge != "" { // it was read by no library
			code = answer{header: map[string][]string{"Www-Authenticate": {said.Challenge}}}.challenge()["error"]
		}
		if !known || said.Status != w.status || code != w.error {
			t.Errorf("%s: %s, want %v", said.Name, lines.Text(), w)
		}
		if strings.EqualFold(said.Scheme, "DPoP") && !strings.Contains(said.Algs, "ES256") {
			t.Errorf("%s: the challenge has no algs: %s", said.Name, lines.Text())
		}
	}
	for name := range wants {
		if !seen[name] && !strings.HasPrefix(name, "alg ") {
			t.Errorf("the clients said nothing of %q", name)
		}
	}
	if !seen["end"] {
		t.Error("the clients did not come to their end")
	}
}

// keyPair writes a certificate for a name, and its key.
func keyPair(t *testing.T, dir, name string) map[string]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"cert": filepath.Join(dir, name+".pem"), "key": filepath.Join(dir, name+"-key.pem")}
	for kind, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(files[kind], pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
