//go:build e2e

package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/internal/gatewaytest"
)

// F-17: somebody imports as fast as he can at one gateway. A single sign-out at
// another does not wait for that, memory stays bounded, and he is told to wait.
func TestFloodOfImports(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 2)
	calm, flooded := f.gateways[0], f.gateways[1]
	f.load(crowd("person", 3), 50*time.Millisecond, calm)
	ctx, cancel := context.WithTimeout(t.Context(), pick(6*time.Second, time.Minute))
	defer cancel()
	var flood sync.WaitGroup
	var mu sync.Mutex
	statuses, lines := make(map[int]int), 0
	for i := range 4 { // twice as many as one caller may run
		flood.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				taken, err := flooded.importLines(f.lines(fmt.Sprintf("flood-%d-%d", i, n), 5000))
				status, _ := outcome(err, http.StatusOK)
				if status == 0 {
					// A refusal closes the connection. A client that is still sending
					// may not get to read it.
					status = http.StatusTooManyRequests
				}
				var refusal *adminclient.Problem
				if errors.As(err, &refusal) && status == http.StatusTooManyRequests && refusal.RetryAfter < 0 {
					t.Error("429 without Retry-After")
				}
				mu.Lock()
				statuses[status]++
				lines += taken
				mu.Unlock()
				if status == http.StatusTooManyRequests {
					rest(ctx, 100*time.Millisecond)
				}
			}
		})
	}
	rest(ctx, 500*time.Millisecond)
	var took []time.Duration
	for n := 0; ctx.Err() == nil; n++ {
		w, _ := f.revoke(calm, fmt.Sprintf("single-%d", n))
		if w.status != http.StatusCreated {
			t.Errorf("a single sign-out: %d %s", w.status, w.problem)
		}
		took = append(took, w.answered.Sub(w.sent))
		rest(ctx, 20*time.Millisecond)
	}
	flood.Wait()
	t.Logf("imports %s, %d lines; single sign-outs: %s; resident: %d and %d MB", counts(statuses), lines, spread(took), resident(t, calm), resident(t, flooded))
	// Who waits for an import waits every time; a busy machine now and then.
	if p := percentile(took, 50); p > time.Second {
		t.Errorf("a single sign-out takes %s (p50) meanwhile", p)
	}
	if statuses[http.StatusTooManyRequests] == 0 || statuses[http.StatusOK] == 0 {
		t.Errorf("imports were answered %s", counts(statuses))
	}
	for _, g := range f.gateways {
		// What lives is kept: 600 bytes a line are for the index, the rest for what
		// is under way.
		if mb := resident(t, g); mb > 400+lines*600>>20 {
			t.Errorf("%s has %d MB resident", g.Name, mb)
		}
	}
	f.judge()
}

// F-9: each fsync takes a quarter of a second, on the servers or on a gateway. It
// costs no decision anything; writes are late, or say so.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		gatewaytest.Missing(t, "install strace")
	}
	s := ownServers(t, setting{})
	f := newFleet(t, s, 2)
	g := f.gateways[0]
	people := crowd("person", 5)
	before := f.decisions(g, people)
	for name, slow := range map[string][]*gatewaytest.Process{
		"the servers'": {s.all[0].process, s.all[1].process, s.all[2].process},
		"a gateway's":  {g.Process},
	} {
		t.Run(name, func(t *testing.T) {
			release := slowDown(t, slow)
			writing := f.keepWriting("slow")
			rest(t.Context(), 500*time.Millisecond)
			meanwhile := f.decisions(g, people)
			rest(t.Context(), pick(2*time.Second, 20*time.Second))
			writing()
			release()
			t.Logf("decisions before: %s; meanwhile: %s", spread(before), spread(meanwhile))
			// A decision that waits for a disk takes a quarter of a second, and there is
			// always an fsync to wait for; a busy machine is slow now and then.
			if p := percentile(meanwhile, 50); p > percentile(before, 50)+100*time.Millisecond {
				t.Errorf("a decision takes %s (p50) meanwhile", p)
			}
		})
	}
	var took []time.Duration
	for _, w := range f.history.writes {
		took = append(took, w.answered.Sub(w.sent))
		if took[len(took)-1] > 20*time.Second {
			t.Errorf("a write was answered after %s", took[len(took)-1])
		}
	}
	t.Logf("writes: %s", spread(took))
	f.allServe()
	f.judge()
}

// decisions are how long some took, as far as they were admitted.
func (f *fleet) decisions(g *gateway, people []string) (took []time.Duration) {
	for i := range 300 {
		began := time.Now()
		if a := f.ask(f.ctx, g, people[i%len(people)]); a.status == http.StatusOK {
			took = append(took, time.Since(began))
		}
		rest(f.ctx, 2*time.Millisecond)
	}
	if len(took) == 0 {
		f.t.Errorf("%s admits nobody", g.Name)
	}
	return took
}

// slowDown makes processes wait at each fsync until release is called.
func slowDown(t *testing.T, slow []*gatewaytest.Process) (release func()) {
	t.Helper()
	args := []string{"-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=250000"}
	for _, p := range slow {
		args = append(args, "-p", fmt.Sprint(p.Process.Pid))
	}
	tracer, err := gatewaytest.StartLogged(exec.Command("strace", args...), t.TempDir()+"/strace")
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	release = func() {
		once.Do(func() {
			if err := tracer.End(syscall.SIGINT); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(release)
	gatewaytest.Eventually(t, patience, "strace has attached", func() error {
		for _, p := range slow {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
			if err != nil || strings.Contains(string(b), "TracerPid:\t0\n") {
				return fmt.Errorf("not to %d: %w", p.Process.Pid, err)
			}
		}
		return nil
	})
	return release
}

// resident is the memory of a gateway, in MB.
func resident(t *testing.T, g *gateway) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.Process.Process.Pid))
	if err != nil {
		t.Skip("there is no /proc")
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	var kb int
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatal(err)
	}
	return kb >> 10
}

func percentile(of []time.Duration, p int) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

func spread(of []time.Duration) string {
	round := func(p int) time.Duration { return percentile(of, p).Round(10 * time.Microsecond) }
	return fmt.Sprintf("%d, p50 %s, p99 %s, longest %s", len(of), round(50), round(99), round(100))
}
