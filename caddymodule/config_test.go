package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/xcaddy"

	"curfew.dev/curfew/internal/gatewaytest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func adapt(t *testing.T, text []byte) ([]byte, error) {
	t.Helper()
	adapted, warnings, err := gatewaytest.Adapt(string(text))
	for _, w := range warnings {
		t.Errorf("warning: %s", w)
	}
	return adapted, err
}

// Each file of testdata/adapt is a Caddyfile, a line of dashes and the JSON
// that it becomes.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text, want, _ := bytes.Cut(b, []byte("----------\n"))
			adapted, err := adapt(t, text)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, adapted, "", "\t"); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			if *update {
				b := append(append(bytes.Clone(text), "----------\n"...), got.Bytes()...)
				if err := os.WriteFile(file, b, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("adapted to\n%s\nwant\n%s", got.Bytes(), want)
			}
		})
	}
}

// The example is what operators copy: formatted, and valid as it stands.
func TestExample(t *testing.T) {
	gatewaytest.OwnDirectories(t)
	t.Setenv("LEDGER_DIR", t.TempDir())
	t.Setenv("HELPDESK_TOKEN", "helpdesk-token-of-the-test")
	t.Setenv("DASHBOARD_TOKEN", "dashboard-token-of-the-test")
	t.Setenv("SIGN_IN_SECRET", "sign-in-secret-of-the-test")
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(caddyfile.Format(text), text) {
		t.Error("Caddyfile.example is not formatted: run `caddy fmt --overwrite Caddyfile.example`")
	}
	adapted, err := adapt(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if err := gatewaytest.Validate(adapted); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(os.Getenv("LEDGER_DIR"), "ledger.db")); err == nil {
		t.Error("validating opened the ledger")
	}
}

// What can't be meant is refused at load, with a message that names the mend.
func TestRefusedAtLoad(t *testing.T) {
	gatewaytest.OwnDirectories(t)
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.token")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(dir, "short.key")
	if err := os.WriteFile(short, []byte("AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const issuer = "issuer https://login.example.com {\n audience api\n}\n"
	site := func(directive string) string { return "http://127.0.0.1:9 {\n" + directive + "\n}\n" }
	admin := func(token string) string { return site("curfew_admin {\n token helpdesk write " + token + "\n}") }
	for _, c := range []struct{ name, global, site, want string }{
		{"no issuer", "", "", "needs at least one issuer"},
		{"no audience", "issuer https://login.example.com", "", "audience"},
		{"empty audience", "issuer https://login.example.com {\n audience \"\"\n}", "", "empty"},
		{"plain http", "issuer http://login.example.com {\n audience api\n}", "", "https"},
		{"tenant", "issuer https://login.example.com/{tenantid}/v2.0 {\n audience api\n}", "", "name the issuer of each tenant"},
		{"symmetric", "issuer https://login.example.com {\n audience api\n algorithms HS256\n}", "", "asymmetric"},
		{"none", "issuer https://login.example.com {\n audience api\n algorithms none\n}", "", "asymmetric"},
		{"issuer twice", issuer + issuer, "", "twice"},
		{"missing directory", issuer + "ledger local /nowhere/at/all", "", "mode 0700, at Caddyfile:7"},
		{"no sealing key", issuer + "sealing_key /nowhere/key", "", "write one with `openssl rand -base64 32`, the same for all nodes: file does not exist, at Caddyfile:7"},
		{"short sealing key", issuer + "sealing_key " + short, "", "a key has 32 bytes, this one has 3: write one with `openssl rand -base64 32`, at Caddyfile:7"},
		{"empty sealing key", issuer + "sealing_key " + empty, "", "a key has 32 bytes, this one has 0"},
		{"unknown option", issuer + "ledgre local", "", `unknown option "ledgre"`},
		{"unknown on_empty", issuer + "on_empty maybe", "", "sign_out_all"},
		{"unknown policy", issuer, site("curfew nosuch"), "not defined"},
		{"second path", issuer, site("curfew /a /b"), "one matcher"},
		{"unknown issuer in guard", issuer, site("curfew {\n issuer https://other.example.com\n}"), "not configured"},
		{"unknown audience in guard", issuer, site("curfew {\n audience other\n}"), "not configured"},
		{"guard must narrow", issuer + "issuer https://other.example.com {\n audience api\n}", site("curfew"), "must say whose"},
		{"guard without app", "-", site("curfew"), "global curfew options"},
		{"bad acr", issuer + "policy p {\n acr \"a b\"\n}", "", "challenge"},
		{"bad max_age", issuer + "policy p {\n max_age 1500ms\n}", "", "whole seconds"},
		{"upgrade to no protocol", issuer, site("curfew {\n upgrade web/socket/13\n}"), "want names of protocols, such as `upgrade websocket`"},
		{"close code of the protocol", issuer, site("curfew {\n websocket_close_code 1000\n}"), "3000 to 4999, which are for applications, at Caddyfile:11"},
		{"reserved header", issuer, site("curfew {\n identity_header Curfew-Subject email\n}"), "reserved"},
		{"admin without credential", issuer, site("curfew_admin"), "needs a credential"},
		{"admin empty env", issuer, admin("{env.CURFEW_TEST_NOT_SET}"), "give it a value, at Caddyfile:11"},
		{"admin missing file", issuer, admin("{file./nowhere/secret}"), "no such file or directory, at Caddyfile:11"},
		{"admin empty file", issuer, admin("{file." + empty + "}"), "give it a value, at Caddyfile:11"},
		{"admin short secret", issuer, admin("a"), "it has 1 characters: use at least 16, such as what `openssl rand -base64 32` prints, at Caddyfile:11"},
		{"admin bad role", issuer, site("curfew_admin {\n token helpdesk god 0123456789abcdef\n}"), "role"},
		{"oidc without audience", issuer, site("curfew_admin {\n oidc https://login.example.com {\n role write scope s\n }\n}"), "`audience`, at Caddyfile:11"},
		{"oidc without role", issuer, site("curfew_admin {\n oidc https://login.example.com {\n audience a\n }\n}"), "role"},
		{"missing directory, with a guard", issuer + "ledger local /nowhere/at/all", site("curfew"), "does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			block := "curfew {\n" + c.global + "\n}\n"
			if c.global == "-" {
				block = ""
			}
			adapted, err := adapt(t, caddyfile.Format([]byte("{\nadmin off\n"+block+"}\n"+c.site)))
			if err == nil {
				err = gatewaytest.Validate(adapted)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if c.global != "-" && strings.Contains(err.Error(), "needs the global") {
				t.Errorf("the mend is none: %v", err)
			}
		})
	}
}

func TestSecondGlobalBlock(t *testing.T) {
	_, err := adapt(t, caddyfile.Format([]byte("{\ncurfew {\n}\ncurfew {\n}\n}\n")))
	if err == nil || !strings.Contains(err.Error(), "second global curfew block: merge the two, at Caddyfile:4") {
		t.Errorf("got %v", err)
	}
}

// xcaddy.json is the JSON form of xcaddy.Builder; its Caddy is go.mod's.
func TestXcaddyJSON(t *testing.T) {
	b, err := os.ReadFile("../xcaddy.json")
	if err != nil {
		t.Fatal(err)
	}
	var builder xcaddy.Builder
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&builder); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(mod, []byte("github.com/caddyserver/caddy/v2 "+builder.CaddyVersion+"\n")) {
		t.Errorf("xcaddy.json builds Caddy %s, which is not the one of go.mod", builder.CaddyVersion)
	}
	if len(builder.Plugins) != 1 || !bytes.HasPrefix(mod, []byte("module "+builder.Plugins[0].PackagePath+"\n")) {
		t.Errorf("xcaddy.json does not build this module: %+v", builder.Plugins)
	}
}

// Whatever is written, the adapter answers with JSON or an error.
func FuzzCaddyfile(f *testing.F) {
	example, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(example), "{\n\tcurfew\n}\n", "{\n\tcurfew {\n\t\tissuer\n\t}\n}\n", ":80 {\n\tcurfew /a /b\n}\n",
		"{\n\tcurfew {\n\t\tissuer https://a {\n\t\t\taccept lenient\n\t\t}\n\t}\n}\n", ":80 {\n\tcurfew_admin {\n\t\toidc x {\n\t\t\trole a scope\n\t\t}\n\t}\n}\n",
		":80 {\n\tcurfew {\n\t\ttoken_from cookie\n\t\tidentity_header A\n\t}\n}\n", "{\n\tcurfew {\n\t\ttoken_cache -1\n\t\texpect_nodes x\n\t}\n}\n",
		clusterConfig("ledger nats tls://a:4222 {env.B} {\n credentials c\n tls_client_cert d e\n stream F\n replicas 3\n}"),
		clusterConfig("ledger nats nats://[::1%25a]:0 {\n tls_client_cert d\n}"), clusterConfig("ledger nats \"\" {\n}\nledger local"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "import") {
			t.Skip("reads other files")
		}
		adapted, _, err := gatewaytest.Adapt(text)
		if err == nil && !json.Valid(adapted) {
			t.Errorf("adapted to %q", adapted)
		}
	})
}
