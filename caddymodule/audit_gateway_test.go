package caddymodule_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEachWriteIsALineOfTheAuditLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	g := start(t, strings.Replace(global, "on_empty", "audit_log "+file+"\n\t\ton_empty", 1), guarded("", ""))
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "bob"})
	g.stop()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"sub":"alice"`) || !strings.Contains(lines[1], `"sub":"bob"`) {
		t.Errorf("%s", b)
	}
}
