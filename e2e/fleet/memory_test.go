//go:build e2e

package fleet

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
)

// F-18: a gateway has less memory than its index needs. The limit is a soft one:
// it gets slower, may take no more writes itself, and forgets nothing.
func TestLittleMemory(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 2, func(g *gateway) {
		if g.Name == "edge-2" {
			g.Env = append(g.Env, "GOMEMLIMIT=48MiB")
		}
	})
	f.load(crowd("person", 3), 20*time.Millisecond, f.gateways...)
	for range pick(1, 10) {
		f.importMany(f.gateways[0], "absent", pick(10_000, 50_000))
	}
	for _, who := range crowd("revoked", 3) {
		f.mustRevoke(f.gateways[0], who)
	}
	w, _ := f.revoke(f.gateways[1], "one more") // 201, or 507 where there is no memory for it
	t.Logf("with a limit, a write is answered with %d", w.status)
	t.Logf("resident: %d MB without a limit, %d MB with one", resident(t, f.gateways[0]), resident(t, f.gateways[1]))
	f.judge()
}

// F-18 with the limit of a container, which ends a process that needs more: with
// GOMEMLIMIT below it, a gateway refuses new records before. (What is ended all the
// same is as by a kill -9: see the restarts.)
func TestHardMemoryLimit(t *testing.T) {
	t.Parallel()
	limit := pick(128, 256) << 20
	group := newMemoryGroup(t, limit)
	f := newFleet(t, nil, 2, func(g *gateway) {
		if g.Name == "edge-2" {
			g.Wrap = group.wrap
			g.Env = append(g.Env, fmt.Sprint("GOMEMLIMIT=", limit/4*3)) // Caddy itself leaves a tenth, too little for so small a one
		}
	})
	free, limited := f.gateways[0], f.gateways[1]
	f.load(crowd("person", 3), 20*time.Millisecond, f.gateways...)
	full := false
	for round := 0; round < pick(1, 120) && !full; round++ {
		f.importMany(free, fmt.Sprint("absent-", round), pick(10_000, 50_000))
		for _, who := range crowd(fmt.Sprint("revoked-", round), 2) {
			f.mustRevoke(free, who, "wait", "8s")
		}
		w, _ := f.revoke(limited, fmt.Sprint("one more ", round))
		if full = w.status == http.StatusInsufficientStorage; full {
			t.Logf("after %d imports: %s", round+1, w.problem)
		}
		if !limited.Process.Running() {
			t.Fatalf("%s was ended, before it refused a record", limited.Name)
		}
	}
	if !full && pick(0, 1) == 1 {
		t.Error("it never had too little memory")
	}
	t.Logf("resident: %d MB of %d", resident(t, limited), limit>>20)
	f.judge()
}

// memoryGroup is a control group for the memory of one process.
type memoryGroup struct{ dir, file string }

func newMemoryGroup(t *testing.T, limit int) memoryGroup {
	t.Helper()
	name := fmt.Sprint("curfew-", os.Getpid())
	for _, g := range []memoryGroup{
		{filepath.Join("/sys/fs/cgroup/memory", name), "memory.limit_in_bytes"},
		{filepath.Join("/sys/fs/cgroup", name), "memory.max"},
	} {
		if os.Mkdir(g.dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			gatewaytest.Eventually(t, patience, "the control group is empty", func() error { return os.Remove(g.dir) })
		})
		if g.set(limit) == nil {
			return g
		}
	}
	t.Skip("needs control groups for memory, and the right to make one")
	return memoryGroup{}
}

func (g memoryGroup) set(limit int) error {
	return os.WriteFile(filepath.Join(g.dir, g.file), []byte(strconv.Itoa(limit)), 0o644)
}

// wrap has a command run in the group from its beginning.
func (g memoryGroup) wrap(c *exec.Cmd) *exec.Cmd {
	inside := exec.Command("sh", append([]string{"-c", `echo $$ > "$0"/cgroup.procs && exec "$@"`, g.dir}, c.Args...)...)
	inside.Dir, inside.Env = c.Dir, c.Env
	return inside
}
