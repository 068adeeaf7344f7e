package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A patch that no longer applies to the version in use was taken upstream, or has
// to be written again.
func TestPatchesForOthersApply(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	for patch, module := range map[string]string{
		"caddy-lazy-round-trip-logger.patch": "github.com/caddyserver/caddy/v2",
	} {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
		if err != nil {
			t.Fatal(err)
		}
		path, err := filepath.Abs(filepath.Join("upstream", patch))
		if err != nil {
			t.Fatal(err)
		}
		source := strings.TrimSpace(string(out))
		check := exec.Command("git", "apply", "--check", path)
		// The module's folder may lie in a repository of somebody else's.
		check.Dir, check.Env = source, append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(source))
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s does not apply to %s: %s", patch, source, out)
		}
	}
}
