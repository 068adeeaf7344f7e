package caddymodule_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/go-jose/go-jose/v4"

	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/token/tokentest"
)

// withKeys adds options to the issuer of the usual configuration.
func withKeys(options string) string {
	return strings.Replace(global, "client web", "client web\n\t\t\t"+options, 1)
}

func writeKeys(t *testing.T, path string, keys ...tokentest.Key) {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A reload reads keys from the new place, and no request is refused meanwhile.
// No key from the old place stays trusted.
func TestAReloadMovesTheKeys(t *testing.T) {
	g := start(t, global, sites)
	first, file := g.token("alice"), filepath.Join(t.TempDir(), "keys.json")
	if a := g.get("/", first); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	second, third := tokentest.NewKey(t, "second", "ES256"), tokentest.NewKey(t, "third", "ES256")
	var slow atomic.Bool
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		slow.Store(true)
		time.Sleep(100 * time.Millisecond)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{second.Public()}})
	}))
	defer mirror.Close()
	claims, _ := json.Marshal(g.claims("alice"))
	t.Setenv("CURFEW_TEST_KEYS", filepath.Dir(file))
	writeKeys(t, file, third)
	for _, c := range []struct {
		options string
		good    tokentest.Key
	}{
		{"jwks " + mirror.URL + "/keys?a=b", second},
		{"jwks {env.CURFEW_TEST_KEYS}/keys.json", third},
		{"discovery " + g.issuer.URL + "/elsewhere/.well-known/openid-configuration", g.issuer.Key()},
	} {
		g.load(withKeys(c.options), sites)
		if a := g.getAmidReload("/", c.good.Sign(t, claims, nil)); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", c.options, a.StatusCode, a.body)
		}
		for _, other := range []tokentest.Key{g.issuer.Key(), second, third} {
			if a := g.getAmidReload("/", other.Sign(t, claims, nil)); a.StatusCode != 401 && other != c.good {
				t.Errorf("%s: a token of %s: %d %s", c.options, other.ID, a.StatusCode, a.body)
			}
		}
	}
	if !slow.Load() {
		t.Error("the mirror was not asked")
	}
}

// A provider that is slow or down keeps its keys when fetch_timeout changes.
func TestAnotherFetchTimeoutKeepsTheKeys(t *testing.T) {
	g := start(t, global, sites)
	token := g.token("alice")
	g.issuer.Fail(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	for _, timeout := range []string{"20s", "1s"} {
		g.load(withKeys("fetch_timeout "+timeout), sites)
		if a := g.getAmidReload("/", token); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", timeout, a.StatusCode, a.body)
		}
	}
}

func TestAProviderWithAPrivateCA(t *testing.T) {
	g := prepare(t)
	server := httptest.NewTLSServer(g.issuer)
	defer server.Close()
	g.issuer.URL = server.URL
	g.replace = strings.NewReplacer("ISSUER", server.URL, "UPSTREAM", g.upstream.URL, "DIR", g.dir, "APPPORT", g.port,
		"ADMINPORT", g.admin[strings.LastIndex(g.admin, ":")+1:], "HEALTHPORT", g.health[strings.LastIndex(g.health, ":")+1:],
		"ENDPOINTPORT", g.endpoint[strings.LastIndex(g.endpoint, ":")+1:])
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	g.load(withKeys("tls_ca "+ca), sites)
	g.awaitReady()
	if a := g.get("/", g.token("alice")); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// An unusable file is refused at load, with its line.
func TestKeyFilesAreCheckedAtLoad(t *testing.T) {
	gatewaytest.OwnDirectories(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := filepath.Join(dir, "key.json")
	writeKeys(t, key, tokentest.NewKey(t, "k", "ES256"))
	for _, c := range []struct{ option, want string }{
		{"tls_ca " + filepath.Join(dir, "none.pem"), "tls_ca: open"},
		{"tls_ca " + write("empty.pem", ""), "is empty"},
		{"tls_ca " + write("text.pem", "no certificate"), "no certificate in"},
		{"tls_ca " + dir, "not a regular file"},
		{"tls_ca {env.CURFEW_TEST_NOT_SET}", "tls_ca: "},
		{"jwks " + filepath.Join(dir, "none.json"), "jwks: open"},
		{"jwks " + write("empty.json", ""), "is empty"},
		{"jwks " + write("text.json", "{"), "not JSON"},
		{"jwks " + write("symmetric.json", `{"keys":[{"kty":"oct","k":"AAAA","kid":"s"}]}`), "no usable key"},
		{"jwks http://login.example.com/keys", "use https"},
		{"discovery http://login.example.com/d", "use https"},
		{"discovery https://login.example.com/{tenantid}/d", "placeholder"},
		{"fetch_timeout 2m", "at most 1m0s"},
		{"fetch_timeout -1s", "at most 1m0s"},
		{"jwks " + key, ""},
	} {
		adapted, err := adapt(t, caddyfile.Format(fmt.Appendf(nil,
			"{\nadmin off\ncurfew {\nissuer https://login.example.com {\naudience api\n%s\n}\nledger local %s\n}\n}\nhttp://127.0.0.1:9 {\ncurfew\n}\n", c.option, dir)))
		if err == nil {
			err = gatewaytest.Validate(adapted)
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.option, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "at Caddyfile:")):
			t.Errorf("%s: got %v, want %q and the line", c.option, err, c.want)
		}
	}
}
