package caddymodule_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A file that is rewritten counts within about a second. One that holds no
// secret any more opens nothing, and the log says which and why.
func TestASecretFileThatBecameTooShortOpensNothing(t *testing.T) {
	file, logs := filepath.Join(t.TempDir(), "helpdesk.token"), filepath.Join(t.TempDir(), "log.json")
	write := func(text string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(file+".new", []byte(text), 0o600), os.Rename(file+".new", file)); err != nil {
			t.Fatal(err)
		}
	}
	write(helpdesk + "\n")
	g := prepare(t)
	g.logTo = logs
	g.load(global, strings.Replace(sites, helpdesk, "{file."+file+"}", 1))
	g.awaitReady()
	opens := func(secret string, want int) {
		t.Helper()
		eventually(t, "the answer becomes right", func() bool {
			time.Sleep(50 * time.Millisecond)
			return g.call(secret, "GET", "/v1/nodes", nil).StatusCode == want
		})
	}
	opens(helpdesk, 200)
	write("a\n")
	opens(helpdesk, 401)
	opens("a", 401)
	write(strings.ToUpper(helpdesk))
	opens(strings.ToUpper(helpdesk), 200)
	opens(helpdesk, 401)
	text := readFile(t, logs)
	_, line, _ := strings.Cut(text, "can't be used any more")
	line, _, _ = strings.Cut(line, "\n")
	if strings.Count(text, "can't be used any more") != 1 || !strings.Contains(line, `"token":"helpdesk"`) || !strings.Contains(line, "use at least 16") {
		t.Errorf("the log says %s", line)
	}
	if !strings.Contains(text, "an admin token can be used again") {
		t.Error("the log does not say that it was mended")
	}
}
