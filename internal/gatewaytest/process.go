package gatewaytest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Patience is the time limit for an event that must come, more than a busy
// machine takes for it. Nothing follows from how soon it does.
const Patience = 2 * time.Minute

// Process is a child that dies with the test binary. The caller of [Start] must
// call End.
type Process struct {
	*exec.Cmd
	ended chan struct{}
}

// Start starts a command.
func Start(cmd *exec.Cmd) (*Process, error) {
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	p := &Process{cmd, make(chan struct{})}
	go func() {
		_ = cmd.Wait() // ProcessState has the status
		close(p.ended)
	}()
	return p, nil
}

// StartLogged starts a command that writes to a file, at its end.
func StartLogged(cmd *exec.Cmd, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the child has its own
	cmd.Stdout, cmd.Stderr = out, out
	return Start(cmd)
}

// Running reports whether the process was started and has not ended.
func (p *Process) Running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Send sends a signal and waits for nothing.
func (p *Process) Send(s os.Signal) error {
	if err := p.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %s: %w", s, err)
	}
	return nil
}

// End sends a signal and waits for the end. A process that does not end in
// [Patience] is killed, and that is an error. A process that has ended is none.
func (p *Process) End(s os.Signal) error {
	if !p.Running() {
		return nil
	}
	if err := p.Send(s); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(Patience):
		_ = p.Send(syscall.SIGKILL)
		<-p.ended
		return fmt.Errorf("%s did not end on %s", p.Path, s)
	}
}
