package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

const (
	childFlag      = "gateway-of"
	childCaddyfile = "Caddyfile.child"
)

// child is a gateway in a process of its own, which can be killed.
type child struct {
	process *exec.Cmd
	input   io.Closer
	ended   chan struct{}
}

// startChild runs the gateway of a directory in a new process of this binary
// and returns once requests are decided.
func startChild(ctx context.Context, s *stage) (*child, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	args := append(append([]string{}, s.self...), "--"+childFlag, s.dir.path)
	c := &child{process: exec.CommandContext(ctx, binary, args...), ended: make(chan struct{})}
	c.process.Stderr = os.Stderr
	if c.input, err = c.process.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting a gateway process: %w", err)
	}
	if err := c.process.Start(); err != nil {
		return nil, fmt.Errorf("starting a gateway process: %w", err)
	}
	ctx, gaveUp := context.WithCancelCause(ctx)
	defer gaveUp(nil)
	go func() {
		defer close(c.ended)
		_ = c.process.Wait() // the state says it better
		gaveUp(fmt.Errorf("its process ended: %s", c.process.ProcessState))
	}()
	if err := awaitReady(ctx, s.client, s.gateway.health); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

// kill ends the process without notice (SIGKILL) and waits until it is gone.
func (c *child) kill() {
	_ = c.process.Process.Kill() // an error says that it is gone already
	<-c.ended
	_ = c.input.Close()
}

// serveChild is what such a process does. It ends when its parent does, which
// closes the input in whatever way it ends.
func serveChild(ctx context.Context, path string, parent io.Reader) error {
	dir := directory{path: path}
	if err := dir.moveCaddyIn(); err != nil {
		return err
	}
	text, err := os.ReadFile(dir.file(childCaddyfile))
	if err != nil {
		return fmt.Errorf("reading the Caddyfile: %w", err)
	}
	var g gateway
	if g.config, err = adapt(string(text)); err != nil {
		return err
	}
	if err := g.load(); err != nil {
		return err
	}
	orphaned := make(chan struct{})
	go func() {
		defer close(orphaned)
		_, _ = io.Copy(io.Discard, parent)
	}()
	select {
	case <-ctx.Done():
	case <-orphaned:
	}
	return g.stop()
}
