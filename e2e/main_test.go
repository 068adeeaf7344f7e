//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// root is the module's directory, seen from here.
const root = ".."

func TestMain(m *testing.M) {
	flag.Parse()
	// Tests wait more than they compute: for clocks to pass the skew, for a
	// process to start. Who names a number gets it.
	if !isSet("test.parallel") {
		_ = flag.Set("test.parallel", "8")
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	defer os.RemoveAll(workshop)
	return m.Run()
}

func isSet(name string) (found bool) {
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// workshop is where binaries are built; it belongs to the whole run.
var workshop = func() string {
	dir, err := os.MkdirTemp("", "curfew-e2e-")
	if err != nil {
		panic(err)
	}
	return dir
}()

// buildCaddy builds this module's Caddy once. CURFEW_RACE=1 gives it the race
// detector, whose findings fail the test that stops the process.
var buildCaddy = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(workshop, "caddy")
	args := []string{"build", "-o", binary}
	if os.Getenv("CURFEW_RACE") != "" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/caddy")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building ./cmd/caddy: %w\n%s", err, out)
	}
	return binary, nil
})

// missing skips a test for want of a prerequisite, and says what to install. In
// CI a skipped test is a hole that nobody sees, so there it fails.
func missing(t *testing.T, mend string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(mend)
	}
	t.Skip(mend)
}
