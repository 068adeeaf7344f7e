//go:build e2e

package e2e

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// process is a child. Who starts one sees to its end.
type process struct {
	*exec.Cmd
	ended chan struct{}
	err   error // of Wait, once ended
}

func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	p := &process{Cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p
}

// signal sends it and waits for the end. It returns the exit status, or -1 if a
// signal ended the process.
func (p *process) signal(t *testing.T, s os.Signal) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.ProcessState.ExitCode()
	default:
	}
	if err := p.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("sending %s: %v", s, err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Errorf("%s does not end on %s", p.Path, s)
		_ = p.Process.Signal(syscall.SIGKILL)
		<-p.ended
	}
	return p.ProcessState.ExitCode()
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}
