package gatewaytest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// Main runs the tests of a package and ends the process. At most parallel tests
// run at once, unless the command line names a number. The functions run after the
// last test.
func Main(m *testing.M, parallel int, after ...func()) {
	flag.Parse()
	named := false
	flag.Visit(func(f *flag.Flag) { named = named || f.Name == "test.parallel" })
	if !named {
		_ = flag.Set("test.parallel", strconv.Itoa(parallel))
	}
	status := m.Run()
	for _, f := range after {
		f()
	}
	_ = os.RemoveAll(Workshop())
	os.Exit(status)
}

// Workshop returns the directory for what a run of the tests builds. [Main]
// removes it.
var Workshop = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "curfew-test-")
	if err != nil {
		panic(err)
	}
	return dir
})

// Caddy builds this module's Caddy once and returns its path.
var Caddy = Building("caddy", "curfew.dev/curfew/cmd/caddy")

// Building returns a function that builds a program once. With CURFEW_RACE=1 our
// own get the race detector, whose findings fail the test that stops the process.
func Building(name, pkg string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		binary := filepath.Join(Workshop(), name)
		args := []string{"build", "-o", binary}
		if name == "caddy" && os.Getenv("CURFEW_RACE") != "" {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, pkg)...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
		return binary, nil
	})
}

// Missing skips a test for want of a prerequisite, and says what to install. In
// CI a skipped test is a hole that nobody sees, so there it fails.
func Missing(t testing.TB, mend string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(mend)
	}
	t.Skip(mend)
}
