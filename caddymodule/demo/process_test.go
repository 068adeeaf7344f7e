package demo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/internal/porttest"
)

// process is a demo that runs beside the test, with a home, a directory for
// temporary files and ports of its own.
type process struct {
	*exec.Cmd
	home, temp     string
	stdout, stderr transcript
}

func newProcess(t *testing.T, args ...string) *process {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{home: t.TempDir(), temp: t.TempDir()}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	p.Cmd = exec.CommandContext(ctx, binary, append([]string{"curfew", "demo", "--port", fmt.Sprint(porttest.KeepRow(t, 7))}, args...)...)
	p.Env = append(withoutXDG(os.Environ()), "HOME="+p.home, "TMPDIR="+p.temp)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	return p
}

func withoutXDG(environment []string) []string {
	var kept []string
	for _, e := range environment {
		if !strings.HasPrefix(e, "XDG_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// transcript is what a process has printed so far.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// await waits until the process has printed what a regular expression matches.
func (s *transcript) await(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		if re.MatchString(s.String()) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("never printed %q, but\n%s", pattern, s)
}

// exitStatus is that of a process that has ended.
func exitStatus(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return -1
}

// leavesNothing checks that no file is left in a directory.
func leavesNothing(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
