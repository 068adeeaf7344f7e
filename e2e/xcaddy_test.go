//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/xcaddy"
)

// root is the module's directory, seen from here.
const root = ".."

// TestXcaddy builds a Caddy as an operator would, from xcaddy.json, and finds
// our modules in it.
//
// xcaddy itself reads no such file; it is exactly the [xcaddy.Builder] that
// `xcaddy build v… --with curfew.dev/curfew=.` makes.
func TestXcaddy(t *testing.T) {
	knowOurselves(t)
	b := readBuilder(t)
	if want := caddyVersion(t); b.CaddyVersion != want {
		t.Errorf("xcaddy.json builds Caddy %s, go.mod has %s", b.CaddyVersion, want)
	}
	// What this checkout has compiled already need not be compiled again: xcaddy
	// adds flags of its own, which part caches, unless it is given some.
	b.BuildFlags, b.Cgo = "-trimpath=false", goEnv(t, "CGO_ENABLED") == "1"
	binary := filepath.Join(t.TempDir(), "caddy")
	if err := b.Build(t.Context(), binary); err != nil {
		t.Fatalf("building: %v", err)
	}
	out, err := exec.Command(binary, "list-modules").Output()
	if err != nil {
		t.Fatalf("listing modules: %v", err)
	}
	listed := "\n" + string(out)
	for _, module := range []string{
		"curfew", "http.handlers.curfew", "http.handlers.curfew_admin", "http.handlers.curfew_health", "admin.api.curfew",
	} {
		if !strings.Contains(listed, "\n"+module+"\n") {
			t.Errorf("the binary has no module %s", module)
		}
	}
}

// knowOurselves answers the question which versions of this module there are,
// with none: it is the checkout that is built, and nobody outside need know it.
// Everything else is asked where it always is.
func knowOurselves(t *testing.T) {
	t.Helper()
	proxy := t.TempDir()
	dir := filepath.Join(proxy, "curfew.dev", "curfew", "@v")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "list"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOPROXY", "file://"+proxy+","+goEnv(t, "GOPROXY"))
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatalf("asking for %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

func readBuilder(t *testing.T) xcaddy.Builder {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b xcaddy.Builder
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		t.Fatalf("xcaddy.json is no xcaddy.Builder: %v", err)
	}
	for i, r := range b.Replacements {
		// Builds take place in a directory of their own, so a path that was
		// written relative to the file has to be made absolute, as the command
		// line does.
		if strings.HasPrefix(r.New.String(), ".") {
			path, err := filepath.Abs(filepath.Join(root, r.New.String()))
			if err != nil {
				t.Fatal(err)
			}
			b.Replacements[i].New = xcaddy.ReplacementPath(path)
		}
	}
	return b
}

// caddyVersion is the version in go.mod.
func caddyVersion(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("asking for Caddy's version: %v", err)
	}
	return strings.TrimSpace(string(out))
}
