package caddymodule_test

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curfew.dev/curfew/internal/gatewaytest"
)

// glassNeeded is a request that takes a preview.
func (g *gateway) glassNeeded() map[string]any {
	return map[string]any{"target": map[string]string{"iss": g.issuer.URL, "tenant": "contoso"}}
}

// preview is the id of a preview of it, by the caller with the smallest role.
func (g *gateway) preview() string {
	g.t.Helper()
	a := g.callAmidReload("reading-secret-of-the-tests", "/v1/revocations/preview", g.glassNeeded())
	if a.StatusCode != 200 {
		g.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	return jsonOf(g.t, a.body)["preview_id"].(string)
}

func (g *gateway) wantConfirmed(preview string, status int) {
	g.t.Helper()
	body := g.glassNeeded()
	body["preview_id"] = preview
	if a := g.callAmidReload(breakGlass, "/v1/revocations", body); a.StatusCode != status {
		g.t.Errorf("got %d %s, want %d", a.StatusCode, a.body, status)
	}
}

func newKeyFile(t *testing.T, path string) string {
	t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(secret)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Beside a local ledger a key is made, so that a preview outlives a restart.
func TestAKeyIsMadeBesideALocalLedger(t *testing.T) {
	g := prepare(t)
	adapted, err := g.config(global, sites)
	if err != nil {
		t.Fatal(err)
	}
	if err := gatewaytest.Validate(adapted); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(g.dir); len(files) > 0 {
		t.Errorf("`caddy validate` made %v", files)
	}
	g.load(global, sites)
	g.awaitReady()
	key := filepath.Join(g.dir, "sealing.key")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "bob"}) // or nothing would be left of the ledger
	preview := g.preview()
	g.stop()
	g.load(global, sites)
	g.awaitReady()
	g.wantConfirmed(preview, 201)
	g.stop()
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	g.load(global, sites)
	g.awaitReady()
	g.wantConfirmed(preview, 409)
	if err := os.WriteFile(key, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.tryLoad(global, sites+"\n"); err == nil || !strings.Contains(err.Error(), key) {
		t.Errorf("a broken key: %v", err)
	}
}

// The first key seals and all open, so that keys are replaced one after another.
func TestSealingKeysAreReplacedOneAfterAnother(t *testing.T) {
	dir := t.TempDir()
	older, newer := newKeyFile(t, filepath.Join(dir, "older")), newKeyFile(t, filepath.Join(dir, "newer"))
	with := func(files ...string) string {
		var lines strings.Builder
		for _, file := range files {
			lines.WriteString("sealing_key " + file + "\n\t\t")
		}
		return strings.Replace(global, "on_empty start", lines.String()+"on_empty start", 1)
	}
	g := start(t, with(older), sites)
	if _, err := os.Stat(filepath.Join(g.dir, "sealing.key")); err == nil {
		t.Error("a key was made though one is named")
	}
	preview := g.preview()
	g.load(with(newer, older), sites)
	g.wantConfirmed(preview, 201)
	second := g.preview()
	if first := strings.Split(preview, ".")[1]; strings.Split(second, ".")[1] == first {
		t.Error("the older key still seals")
	}
	g.load(with(newer), sites)
	g.wantConfirmed(preview, 409)
	g.wantConfirmed(second, 201)
	newKeyFile(t, newer+".new")
	if err := os.Rename(newer+".new", newer); err != nil {
		t.Fatal(err)
	}
	g.wantConfirmed(second, 409) // the file was read again
	g.wantConfirmed(g.preview(), 201)
}
