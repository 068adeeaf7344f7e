//go:build e2e

package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"curfew.dev/curfew/internal/seedtest"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// These tests need root, loop devices, tmpfs and strace:
//
//	sudo go test -tags e2e -run 'TestF' ./ledger/local

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

// mount runs mount with args on a new directory, and unmounts it after the test.
func mount(t *testing.T, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", append(args, dir)...)
	t.Cleanup(func() { exec.Command("umount", dir).Run() })
	return dir
}

// A power cut leaves the file system as the disk has it at that moment. The page
// cache of the mounted file system is lost.
func TestF2PowerCut(t *testing.T) {
	needRoot(t)
	total, random := 0, seedtest.New(t)
	for range long(5, 100) {
		t.Run("", func(t *testing.T) {
			tmp := t.TempDir()
			image, copied := filepath.Join(tmp, "image"), filepath.Join(tmp, "copy")
			run(t, "truncate", "-s", "64M", image)
			run(t, "mkfs.ext4", "-q", image)
			disk := mount(t, "-o", "loop", image)
			dir := filepath.Join(disk, "ledger")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			run(t, "sync", "-f", disk)
			w := startWriter(t, dir)
			w.await(t, 1)
			time.Sleep(time.Duration(random.Int64N(int64(300 * time.Millisecond))))
			// The writer is stopped while the image is copied, so that the copy is
			// of one moment. All its acknowledgements came before that.
			if err := w.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			run(t, "cp", "--sparse=always", image, copied)
			w.kill()
			acked := w.snapshot()
			run(t, "umount", disk)

			after := mount(t, "-o", "loop", copied)
			l := mustOpen(t, filepath.Join(after, "ledger"))
			verify(t, l, acked)
			l.Close()
			total += len(acked)
		})
	}
	t.Logf("%d acknowledged, 0 lost", total)
}

// A full disk is reported at once and stops no reader. Appends succeed again once
// there is space.
func TestF7DiskFull(t *testing.T) {
	needRoot(t)
	for name, disk := range map[string]func(t *testing.T) string{
		"tmpfs": func(t *testing.T) string { return mount(t, "-t", "tmpfs", "-o", "size=3m", "tmpfs") },
		"ext4": func(t *testing.T) string {
			image := filepath.Join(t.TempDir(), "image")
			run(t, "truncate", "-s", "16M", image)
			run(t, "mkfs.ext4", "-q", "-m", "0", image)
			return mount(t, "-o", "loop", image)
		},
	} {
		t.Run(name, func(t *testing.T) { diskFull(t, disk(t)) })
	}
}

func diskFull(t *testing.T, disk string) {
	dir := filepath.Join(disk, "ledger")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(local.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { l.Close() }()
	acked, told := map[revocation.Position]string{}, time.Hour
	for range 3 {
		filler := filepath.Join(disk, "filler")
		eatSpace(t, filler)
		told = min(told, fillUntilRefused(t, l, acked))
		verify(t, l, acked)

		// After a restart on the full disk the ledger can be read too.
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = local.Open(local.Options{Dir: dir}); err != nil {
			t.Fatalf("opening on a full disk: %v", err)
		}
		verify(t, l, acked)
		told = min(told, fillUntilRefused(t, l, acked))

		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		reason := fmt.Sprint("after ", len(acked))
		p, _, err := l.Append(t.Context(), []revocation.Record{record(reason)}, ledger.Idempotency{})
		if err != nil {
			t.Fatalf("appending when there is space again: %v", err)
		}
		acked[p] = reason
		verify(t, l, acked)
	}
	if told > 2*time.Second { // a busy machine may delay one of them
		t.Errorf("a full disk was told after %s at best", told)
	}
	t.Logf("%d acknowledged, 0 lost", len(acked))
}

// eatSpace fills the disk up to some hundred kilobytes.
func eatSpace(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 64<<10))
	}
	if info, statErr := f.Stat(); statErr == nil {
		err = f.Truncate(max(0, info.Size()-300<<10))
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Sync()
}

// fillUntilRefused appends until the disk is full. It returns how long the refusal
// took.
func fillUntilRefused(t *testing.T, l *local.Ledger, acked map[revocation.Position]string) time.Duration {
	t.Helper()
	for n := 0; ; n++ {
		r := record(fmt.Sprintf("full-%d", len(acked)))
		r.RequestID = string(bytes.Repeat([]byte("x"), 4000))
		start := time.Now()
		p, _, err := l.Append(context.Background(), []revocation.Record{r}, ledger.Idempotency{})
		if err == nil {
			acked[p] = r.Reason
			continue
		}
		if !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("a full disk: %v, want ErrUnavailable", err)
		}
		return time.Since(start)
	}
}

// After a failed sync no missing entry was acknowledged. The ledger continues once
// syncs succeed.
func TestF8SyncFails(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("needs strace")
	}
	inject := func(when string) []string {
		return []string{
			"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync",
			"-e", "inject=fsync,fdatasync:error=EIO:when=" + when,
		}
	}
	for n := range long(9, 60) {
		// The first syncs are of the installation and the seal. Each commit has three.
		when := 20 + n
		t.Run(fmt.Sprintf("at %d of each thread", when), func(t *testing.T) {
			dir := t.TempDir()
			w := startWriter(t, dir, inject(fmt.Sprint(when))...)
			w.awaitErrors(t, 1, "unknown", "unavailable")
			w.await(t, w.count()+50) // it goes on by itself
			w.kill()
			verify(t, mustOpen(t, dir), w.snapshot())
		})
	}
}

// While every sync fails nothing is acknowledged. Once they succeed again, the
// ledger continues by itself.
func TestF8SyncsFailForAWhile(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("needs strace")
	}
	dir := t.TempDir()
	w := startWriter(t, dir)
	defer w.kill()
	w.await(t, 100)

	w.mu.Lock()
	pid := strconv.Itoa(w.pid)
	w.mu.Unlock()
	strace := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync",
		"-e", "inject=fsync,fdatasync:error=EIO", "-p", pid)
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	w.awaitErrors(t, 20, "unavailable") // by now every thread is traced
	acked := w.count()
	time.Sleep(300 * time.Millisecond)
	if more := w.count() - acked; more > callers { // each may have got an answer that it has not printed yet
		t.Errorf("%d more were acknowledged while every sync fails", more)
	}
	strace.Process.Signal(os.Interrupt)
	strace.Wait()
	w.await(t, acked+100)
	w.kill()
	verify(t, mustOpen(t, dir), w.snapshot())
}

// awaitErrors waits until there are n refusals of some classes.
func (w *writer) awaitErrors(t *testing.T, n int, classes ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); w.refusals(classes) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d refusals as %v, want %d", w.refusals(classes), classes, n)
		}
	}
}

func (w *writer) refusals(classes []string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, class := range classes {
		n += w.errors[class]
	}
	return n
}

// A write in the middle of a commit finds no space.
func TestF7WriteFails(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("needs strace")
	}
	for n := range long(5, 40) {
		when := 40 + n
		t.Run(fmt.Sprintf("once at %d", when), func(t *testing.T) {
			dir := t.TempDir()
			w := startWriter(t, dir, "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64",
				"-e", fmt.Sprintf("inject=pwrite64:error=ENOSPC:when=%d", when))
			w.awaitErrors(t, 1, "unknown", "unavailable")
			w.await(t, w.count()+50) // it goes on by itself
			w.kill()
			verify(t, mustOpen(t, dir), w.snapshot())
		})
	}
}
