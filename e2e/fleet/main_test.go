//go:build e2e

package fleet

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// root is the module's directory, seen from here.
const root = "../.."

func TestMain(m *testing.M) {
	flag.Parse()
	// A fleet is six processes: on two cores, more of them at once than this
	// measure one another.
	parallel := false
	flag.Visit(func(f *flag.Flag) { parallel = parallel || f.Name == "test.parallel" })
	if !parallel {
		_ = flag.Set("test.parallel", "3")
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	defer os.RemoveAll(workshop)
	defer everybodys.end()
	return m.Run()
}

// patience is how long a test waits for what must come about: more than a busy
// machine takes for it. How soon it does is logged.
const patience = 2 * time.Minute

// long reports whether the long form is wanted.
func long() bool { return os.Getenv("CURFEW_LONG") != "" }

// pick is a size of the short form or of the long one.
func pick[T any](short, whenLong T) T {
	if long() {
		return whenLong
	}
	return short
}

// workshop is where binaries are built; it belongs to the whole run.
var workshop = func() string {
	dir, err := os.MkdirTemp("", "curfew-fleet-")
	if err != nil {
		panic(err)
	}
	return dir
}()

var (
	buildCaddy = building("caddy", "./cmd/caddy")
	buildNATS  = building("nats-server", "github.com/nats-io/nats-server/v2")
)

// building builds a program once.
func building(name, pkg string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		binary := filepath.Join(workshop, name)
		args := []string{"build", "-o", binary}
		if name == "caddy" && os.Getenv("CURFEW_RACE") != "" {
			args = append(args, "-race")
		}
		cmd := exec.Command("go", append(args, pkg)...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
		return binary, nil
	})
}

// missing skips a test for want of a prerequisite. In CI a skipped test is a
// hole that nobody sees, so there it fails.
func missing(t *testing.T, mend string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(mend)
	}
	t.Skip(mend)
}
