//go:build e2e

package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"curfew.dev/curfew/internal/gatewaytest"
)

// formatDecision came with the format of records. The build before it is N-1.
const formatDecision = "docs/decisions/0025-records-have-a-format.md"

// errNoHistory: this copy of the repository does not reach back to N-1.
var errNoHistory = errors.New("the repository's history does not reach back to the build before " + formatDecision + ": fetch all of it (git fetch --unshallow)")

// previousCaddy builds N-1 from its commit.
var previousCaddy = sync.OnceValues(func() (string, error) {
	commit, err := previousCommit()
	if err != nil {
		return "", err
	}
	source := filepath.Join(gatewaytest.Workshop(), "previous")
	if err := os.Mkdir(source, 0o700); err != nil {
		return "", err
	}
	archive := source + ".tar"
	if _, err := output(root, "git", "archive", "--output", archive, commit); err != nil {
		return "", err
	}
	if _, err := output(source, "tar", "-xf", archive); err != nil {
		return "", err
	}
	binary := filepath.Join(gatewaytest.Workshop(), "previous-caddy")
	_, err = output(source, "go", "build", "-o", binary, "./cmd/caddy")
	return binary, err
})

// previousCommit finds the parent of the commit that added a file. That outlives
// a history that is written anew.
func previousCommit() (string, error) {
	if inside, err := output(root, "git", "rev-parse", "--is-inside-work-tree"); err != nil || inside != "true" {
		return "", fmt.Errorf("%w: %w", errNoHistory, err)
	}
	added, err := output(root, "git", "log", "--diff-filter=A", "--format=%H", "--", formatDecision)
	if err != nil {
		return "", err
	}
	// The oldest is the last. In a shallow clone it is the commit where that begins.
	all := strings.Fields(added)
	shallow, err := output(root, "git", "rev-parse", "--is-shallow-repository")
	switch {
	case err != nil:
		return "", err
	case len(all) == 0 && shallow != "true":
		return "", fmt.Errorf("no commit adds %s: it must keep its name", formatDecision)
	case len(all) == 0:
		return "", errNoHistory
	}
	parent, err := output(root, "git", "rev-parse", "--verify", "--quiet", all[len(all)-1]+"^")
	if err != nil {
		return "", errNoHistory
	}
	return parent, nil
}

func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return "", fmt.Errorf("running %s: %w", strings.Join(cmd.Args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// previous is the binary of N-1. Without the history that it is built from, the
// test is skipped.
func previous(t *testing.T) string {
	t.Helper()
	binary, err := previousCaddy()
	switch {
	case errors.Is(err, errNoHistory):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return binary
}
