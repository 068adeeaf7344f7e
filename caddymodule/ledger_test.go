package caddymodule_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/internal/gatewaytest"
)

// keyPair writes a certificate of its own and its key, in PEM.
func keyPair(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"*.example.com"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	writeFile(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	writeFile(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return certFile, keyFile
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// clusterConfig is a configuration with that ledger, which begins in line 6.
func clusterConfig(ledger string) string {
	return "{\n\tadmin off\n\tcurfew {\n\t\tissuer https://login.example.com {\n\t\t\taudience api\n\t\t}\n" + ledger + "\n\t}\n}\n"
}

const secretInURL = "hunter2-in-a-url"

// An impossible cluster is refused at load: with the line, with the mend, and
// without the password of a URL.
func TestClusterLedgerRefusedAtLoad(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	t.Setenv("XDG_DATA_HOME", home)
	empty, creds, folder := filepath.Join(dir, "empty.creds"), filepath.Join(dir, "node.creds"), filepath.Join(dir, "folder")
	writeFile(t, empty, nil)
	writeFile(t, creds, []byte("x"))
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key := keyPair(t, dir, "a")
	_, otherKey := keyPair(t, dir, "b")
	t.Setenv("CURFEW_TEST_URL", "nats://user:"+secretInURL+"@127.0.0.1:4222")
	t.Setenv("CURFEW_TEST_CREDS", creds)
	t.Setenv("CURFEW_TEST_EMPTY", "")
	const local = "ledger nats nats://127.0.0.1:4222"
	for _, c := range []struct{ name, ledger, want string }{
		{"no url", "ledger nats", "needs the URL of a server: write `ledger nats tls://<host>:4222`, at Caddyfile:7"},
		{"empty url", `ledger nats ""`, "want the URLs of servers"},
		{"unknown kind", "ledger etcd http://127.0.0.1", "want `ledger local [<dir>]` or `ledger nats <url>…`, at Caddyfile:7"},
		{"no kind", "ledger", "want `ledger local [<dir>]`"},
		{"both kinds", local + "\nledger local", `option "ledger" is given twice, at Caddyfile:8`},
		{"plaintext", "ledger nats nats://nats.internal:4222", "nats://nats.internal:4222 would be plaintext: write tls://nats.internal:4222"},
		{"plaintext to an address", "ledger nats nats://10.0.0.1:4222", "would be plaintext"},
		{"plaintext to what looks like loopback", "ledger nats nats://127.0.0.1.example.com", "would be plaintext"},
		{"one of them plaintext", local + " nats://nats.internal", "would be plaintext"},
		{"scheme", "ledger nats ws://127.0.0.1:4222", "such as tls://nats-1.internal:4222, separated by spaces, at Caddyfile:7"},
		{"no scheme", "ledger nats nats-1.internal:4222", "want the URLs of servers"},
		{"no scheme, with a password", "ledger nats user:" + secretInURL + "@nats-1.internal:4222", "want the URLs of servers"},
		{"list", "ledger nats tls://a:4222,tls://b:4222", "separated by spaces"},
		{"path", "ledger nats tls://a:4222/x", "want the URLs of servers"},
		{"query", "ledger nats tls://a:4222?token=" + secretInURL, "want the URLs of servers"},
		{"port", "ledger nats tls://a:70000", "want the URLs of servers"},
		{"no host", "ledger nats tls://:4222", "want the URLs of servers"},
		{"userinfo", "ledger nats tls://user:" + secretInURL + "@a:4222", "put them into a file, and name that with `credentials <file>`, at Caddyfile:7"},
		{"user alone", "ledger nats tls://" + secretInURL + "@a:4222", "put them into a file"},
		{"userinfo in a placeholder", "ledger nats {env.CURFEW_TEST_URL}", "put them into a file, and name that with `credentials <file>`, at Caddyfile:7"},
		{"unset placeholder", "ledger nats {env.CURFEW_TEST_EMPTY}", "at Caddyfile:7"},
		{"unknown option", local + " {\n credential x\n}", `unknown option "credential", at Caddyfile:8`},
		{"repeated option", local + " {\n stream A\n stream B\n}", `option "stream" is given twice, at Caddyfile:9`},
		{"bad stream", local + " {\n stream a.b\n}", "letters, digits, - and _, at Caddyfile:8"},
		{"stream with a wildcard", local + " {\n stream >\n}", "letters, digits, - and _"},
		{"stream that climbs", local + " {\n stream ../x\n}", "letters, digits, - and _"},
		{"no stream", local + " {\n stream\n}", "at Caddyfile:8"},
		{"no replicas", local + " {\n replicas 0\n}", "replicas 0"},
		{"many replicas", local + " {\n replicas 6\n}", "1 to 5 servers"},
		{"replicas that are no number", local + " {\n replicas many\n}", "many"},
		{"missing credentials", local + " {\n credentials /nowhere/node.creds\n}", "credentials: open /nowhere/node.creds: no such file or directory: let the user Caddy runs as read it, at Caddyfile:7"},
		{"empty credentials", local + " {\n credentials " + empty + "\n}", "is empty: write it anew, at Caddyfile:7"},
		{"a directory", local + " {\n system_credentials " + folder + "\n}", "is not a regular file"},
		{"empty placeholder", local + " {\n credentials {env.CURFEW_TEST_EMPTY}\n}", "ledger nats: credentials: "},
		{"no argument", local + " {\n credentials\n}", "at Caddyfile:8"},
		{"cert without key", "ledger nats tls://a {\n tls_client_cert " + cert + "\n}", "want `tls_client_cert <cert> <key>`, at Caddyfile:8"},
		{"another key", "ledger nats tls://a {\n tls_client_cert " + cert + " " + otherKey + "\n}", "tls_client_cert: "},
		{"ca without a certificate", "ledger nats tls://a {\n tls_ca " + key + "\n}", "no certificate in "},
		{"tls without tls", local + " {\n tls_ca " + cert + "\n}", "are for tls:// URLs"},
		{"max_staleness too short", local + "\nmax_staleness 10ms", "at least 1s"},
		{"max_staleness below zero", local + "\nmax_staleness -1s", "at least 1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			adapted, err := adapt(t, caddyfile.Format([]byte(clusterConfig(c.ledger))))
			if err == nil {
				err = gatewaytest.Validate(adapted)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if strings.Contains(err.Error(), secretInURL) {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
	if files, _ := os.ReadDir(filepath.Join(home, "caddy", "curfew")); len(files) > 0 {
		t.Errorf("validating made %v", files)
	}
}

// These mistakes are possible in JSON only.
func TestLedgerInJSONRefusedAtLoad(t *testing.T) {
	gatewaytest.OwnDirectories(t)
	cert, key := keyPair(t, t.TempDir(), "a")
	for name, c := range map[string]struct{ ledger, want string }{
		"both kinds":       {`{"local":{},"nats":{"urls":["nats://127.0.0.1:4222"]}}`, "keep one of local and nats"},
		"no url":           {`{"nats":{}}`, "needs the URL of a server"},
		"cert without key": {`{"nats":{"urls":["tls://a"],"tls_client_cert":"` + cert + `"}}`, "a client certificate needs its key"},
		"key without cert": {`{"nats":{"urls":["tls://a"],"tls_client_key":"` + key + `"}}`, "and a key its certificate"},
		"replicas":         {`{"nats":{"urls":["tls://a"],"replicas":-1}}`, "replicas -1"},
		"unknown member":   {`{"nats":{"urls":["tls://a"],"stream_name":"x"}}`, "stream_name"},
	} {
		err := gatewaytest.Validate([]byte(`{"admin":{"disabled":true},"apps":{"curfew":{"issuers":[{"url":"https://login.example.com","audiences":["api"]}],"ledger":` + c.ledger + `}}}`))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}

// A cluster's configuration is checked without its servers, and Caddy never
// shows its secrets.
func TestClusterLedgerIsValid(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	t.Setenv("XDG_DATA_HOME", home)
	creds := filepath.Join(dir, "node.creds")
	writeFile(t, creds, []byte("x"))
	cert, key := keyPair(t, dir, "a")
	t.Setenv("CURFEW_TEST_CREDS", creds)
	t.Setenv("CURFEW_TEST_URL", "tls://nats-2.internal:4222")
	for name, ledger := range map[string]string{
		"loopback by name":    "ledger nats nats://localhost:4222",
		"loopback by address": "ledger nats nats://127.1.2.3",
		"IPv6":                "ledger nats nats://[::1]:4222 tls://[2001:db8::1]:4222",
		"everything": "ledger nats tls://nats-1.internal {env.CURFEW_TEST_URL} {\n credentials {env.CURFEW_TEST_CREDS}\n system_credentials " + creds +
			"\n tls_ca " + cert + "\n tls_client_cert " + cert + " " + key + "\n stream EDGE_eu-1\n replicas 5\n}",
	} {
		t.Run(name, func(t *testing.T) {
			text := caddyfile.Format([]byte(clusterConfig(ledger)))
			adapted, err := adapt(t, text)
			if err != nil {
				t.Fatal(err)
			}
			if err := gatewaytest.Validate(adapted); err != nil {
				t.Fatal(err)
			}
			if !json.Valid(adapted) || strings.Contains(string(adapted), creds) != strings.Contains(ledger, creds) {
				t.Errorf("the placeholder is resolved where it is shown: %s", adapted)
			}
		})
	}
	if files, _ := os.ReadDir(filepath.Join(home, "caddy", "curfew")); len(files) > 0 {
		t.Errorf("validating made %v", files)
	}
}
