package docs_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// The Caddyfiles of the pages on browser sign-in are valid as a whole, with the
// files that they name.
func TestTheCaddyfilesOfBrowserSignInAreValid(t *testing.T) {
	ownDirectories(t)
	etc := filesOfSignIn(t)
	found := 0
	for _, name := range []string{"sign-in.md", "providers.md"} {
		for _, b := range read(t, name).blocks() {
			if b.language != "caddyfile" || !strings.Contains(b.text, "sign_in") {
				continue
			}
			found++
			text := strings.ReplaceAll(b.text, "/etc/curfew", etc)
			if !strings.Contains(text, "curfew_sign_in") { // the site is that of sign-in.md
				text += "app.example.com {\n\tcurfew_sign_in staff\n\tcurfew {\n\t\tsession staff\n\t}\n\treverse_proxy 127.0.0.1:9000\n}\n"
			}
			var c caddy.Config
			if err := caddy.StrictUnmarshalJSON(adapt(t, name, text), &c); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Validate(&c); err != nil {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
	}
	if found < 12 {
		t.Errorf("%d Caddyfiles: they are not found", found)
	}
}

// filesOfSignIn makes what stands in /etc/curfew.
func filesOfSignIn(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	other := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("o", 32)))
	for name, content := range map[string]string{"web.secret": secret, "sealing-new.key": key, "sealing-old.key": other} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.ToSlash(dir)
}
