package rig

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Command is a process to start.
type Command struct {
	Name string // of its log file
	Path string
	Args []string
	Env  []string // added to the environment of this process
	Dir  string   // working directory, also of the log
	CPUs string   // cores to pin it to, in the form of taskset; empty: all
}

// Home returns the environment of a process that keeps its files below a
// directory of its own.
func Home(dir string) []string {
	return []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}
}

// Process is a child process. The caller of Start must call Stop.
type Process struct {
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// Start starts a process. Its output goes to a log file in its directory.
func Start(c Command) (*Process, error) {
	path, args := c.Path, c.Args
	if pinning, err := exec.LookPath("taskset"); err == nil && c.CPUs != "" {
		path, args = pinning, append([]string{"-c", c.CPUs, path}, args...)
	}
	log, err := os.Create(filepath.Join(c.Dir, c.Name+".log"))
	if err != nil {
		return nil, fmt.Errorf("making a log for %s: %w", c.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	p := &Process{name: c.Name, cmd: cmd, log: log.Name(), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its log says how it ended
		close(p.ended)
	}()
	return p, nil
}

// CPU returns the CPU time of the process, user and system.
func (p *Process) CPU() (time.Duration, error) { return cpuTime(p.cmd.Process.Pid) }

// Stop ends the process, and waits for it.
func (p *Process) Stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// Kill ends the process as a crash does.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// Ended returns an error if the process has ended, with the reason.
func (p *Process) Ended() error {
	select {
	case <-p.ended:
		b, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s has ended; its log ends with:\n%s", p.name, b[max(0, len(b)-2000):])
	default:
		return nil
	}
}

// Await polls until the function returns no error.
func Await(p *Process, within time.Duration, check func() error) error {
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		err := check()
		if err == nil {
			return nil
		}
		if ended := p.Ended(); ended != nil {
			return ended
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for %s: %w", p.name, err)
		}
	}
}

// Patience is the time limit for a process to begin to serve, on a busy
// machine.
const Patience = 2 * time.Minute

// AwaitListener waits until a server listens.
func AwaitListener(p *Process, address string) error {
	return Await(p, Patience, func() error {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

// FreeAddress returns one address as FreeAddresses does.
func FreeAddress() (string, error) {
	one, err := FreeAddresses(1)
	if err != nil {
		return "", err
	}
	return one[0], nil
}

// Systems do not choose these ports by themselves. Between the search and the
// listen, no connection gets such a port, and no socket that asks for any port.
const (
	firstPort = 10_000
	lastPort  = 32_767
)

// FreeAddresses returns different loopback addresses that were free a moment
// ago.
func FreeAddresses(n int) ([]string, error) {
	var free []string
	for tries := 0; len(free) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort+1)))
		if err != nil && tries < 1000 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close() // keep all open until the last one is found
		free = append(free, l.Addr().String())
	}
	return free, nil
}

// ErrUnsupported says that this system does not report the CPU time of another
// process.
var ErrUnsupported = errors.New("CPU time of another process can only be read on Linux")
