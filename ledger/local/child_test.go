package local_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// These variables make the test binary a writer on a directory instead of a test.
const (
	childDir   = "CURFEW_LOCAL_CHILD"
	replicaDir = "CURFEW_LOCAL_REPLICA"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	if dir := os.Getenv(replicaDir); dir != "" {
		os.Exit(replicaChild(dir))
	}
	goleak.VerifyTestMain(m)
}

// long chooses between the short form of a fault test and the long one:
//
//	CURFEW_LONG=1 go test -run 'TestF' -timeout 30m ./ledger/local
//	sudo CURFEW_LONG=1 go test -tags e2e -run 'TestF' -timeout 60m ./ledger/local
func long(short, long int) int {
	if os.Getenv("CURFEW_LONG") != "" {
		return long
	}
	return short
}

// callers is the number of goroutines of a child that append.
const callers = 8

// child appends from some goroutines until it is killed, and prints each
// acknowledgement as `ack position reason` and each refusal as `err class ms`.
func child(dir string) int {
	fmt.Println("pid", os.Getpid())
	l, err := local.Open(local.Options{Dir: dir})
	if err != nil {
		fmt.Println("open", err)
		return 1
	}
	var wg sync.WaitGroup
	var n atomic.Int64
	for range callers {
		wg.Go(func() {
			for {
				reason := fmt.Sprintf("%d-%d", os.Getpid(), n.Add(1))
				childAppend(l, reason)
			}
		})
	}
	wg.Wait()
	return 0
}

func childAppend(l *local.Ledger, reason string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	start := time.Now()
	p, _, err := l.Append(ctx, []revocation.Record{record(reason)}, ledger.Idempotency{})
	if err == nil {
		fmt.Println("ack", p, reason)
		return
	}
	class := "other"
	switch {
	case errors.Is(err, ledger.ErrIntegrity):
		class = "integrity"
	case errors.Is(err, ledger.ErrOutcomeUnknown):
		class = "unknown"
	case errors.Is(err, ledger.ErrUnavailable):
		class = "unavailable"
	}
	fmt.Println("err", class, time.Since(start).Milliseconds(), err)
	time.Sleep(5 * time.Millisecond) // a real caller waits before it tries again
}

func record(reason string) revocation.Record {
	return revocation.Record{
		Type:    revocation.Cut,
		Target:  revocation.Target{Issuer: "https://login.example.com", Subject: "user-" + reason},
		Mode:    revocation.SignIn,
		Through: 1_760_000_002,
		Source:  "admin",
		Reason:  reason,
	}
}

// writer is a running child.
type writer struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu     sync.Mutex
	pid    int // of the child itself, not of the wrapping command
	acked  map[revocation.Position]string
	errors map[string]int
	lines  []string
}

// startWriter runs a child on dir, under the command wrap if it is not empty.
func startWriter(t *testing.T, dir string, wrap ...string) *writer {
	t.Helper()
	return startChild(t, childDir, dir, wrap...)
}

func startChild(t *testing.T, kind, dir string, wrap ...string) *writer {
	t.Helper()
	args := append(wrap, os.Args[0])
	w := &writer{
		cmd:    exec.Command(args[0], args[1:]...),
		done:   make(chan struct{}),
		acked:  map[revocation.Position]string{},
		errors: map[string]int{},
	}
	w.cmd.Env = append(os.Environ(), kind+"="+dir)
	w.cmd.Stderr = os.Stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			w.line(lines.Text())
		}
	}()
	return w
}

func (w *writer) line(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fields := strings.Fields(s)
	switch {
	case len(fields) == 3 && fields[0] == "ack":
		if p, err := revocation.ParsePosition(fields[1]); err == nil {
			w.acked[p] = fields[2]
		}
	case len(fields) == 2 && fields[0] == "pid":
		w.pid, _ = strconv.Atoi(fields[1])
	case len(fields) >= 2 && fields[0] == "err":
		w.errors[fields[1]]++
		w.lines = append(w.lines, s)
	default:
		w.lines = append(w.lines, s)
	}
}

// count returns the number of acknowledgements so far.
func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

func (w *writer) snapshot() map[revocation.Position]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.acked)
}

// patience is the time limit of a wait on a busy machine.
const patience = time.Minute

// await waits until there are n acknowledgements.
func (w *writer) await(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); w.count() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d acknowledgements after %s, want %d; the writer said %q", w.count(), patience, n, w.lines)
		}
	}
}

// kill ends the child with SIGKILL and reads the rest of its output.
func (w *writer) kill() {
	w.mu.Lock()
	pid := w.pid
	w.mu.Unlock()
	if pid == 0 {
		pid = w.cmd.Process.Pid
	}
	syscall.Kill(pid, syscall.SIGKILL)
	<-w.done
	w.cmd.Wait()
}

// verify checks that every acknowledged record is in the ledger, unchanged.
func verify(t *testing.T, l *local.Ledger, acked map[revocation.Position]string) {
	t.Helper()
	if err := intact(l, acked); err != nil {
		t.Error(err)
	}
}

func intact(l *local.Ledger, acked map[revocation.Position]string) error {
	found := 0
	var last revocation.Position
	err := l.Read(context.Background(), revocation.Position{}, func(e revocation.Entry) error {
		if e.Position.Epoch == last.Epoch && e.Position.Sequence != last.Sequence+1 {
			return fmt.Errorf("%s comes after %s", e.Position, last)
		}
		last = e.Position
		reason, ok := acked[e.Position]
		if ok && e.Records[0].Reason == reason {
			found++
		}
		return nil
	})
	if err == nil && found != len(acked) {
		err = fmt.Errorf("lost: %d of %d acknowledged records are not there", len(acked)-found, len(acked))
	}
	return err
}
