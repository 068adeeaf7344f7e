package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"curfew.dev/curfew/internal/printable"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
)

// How long a gateway may take to do what a marker tells it, and how often that
// is looked at. A damaged one looks every 5 s, and has to reach the servers.
const (
	actWithin = 20 * time.Second
	lookEvery = 100 * time.Millisecond
)

// replica is this machine's copy of a cluster's ledger. Its gateway, which runs
// and is not ready, is told what to do by files in the directory.
type replica struct{ dir string }

// check finds the directory that the gateway has made.
func (r replica) check() error {
	info, err := os.Stat(r.dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no replica in %s: the gateway makes it when it starts; check --stream and --node-name, and run this as the user that Caddy runs as", r.dir)
	case err != nil:
		return fmt.Errorf("looking for the replica: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", r.dir)
	}
	return nil
}

// tell leaves a marker and waits until the gateway has acted on it. A marker that
// nobody acts on is taken away again: it must not adopt something years later.
func (r replica) tell(ctx context.Context, marker string) error {
	if err := r.check(); err != nil {
		return err
	}
	path := filepath.Join(r.dir, marker)
	if err := leave(path); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	for {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		select {
		case <-time.After(lookEvery):
			continue
		case <-ctx.Done():
		}
		switch err := os.Remove(path); {
		case errors.Is(err, os.ErrNotExist):
			return nil // in the last moment
		case err != nil:
			return fmt.Errorf("the gateway did not act, and would still do so later: remove %s: %w", path, err)
		}
		return errors.New("the gateway did not act on it, and nothing was changed: it must run, wait for this, and reach the servers; `caddy curfew status` says why it is not ready")
	}
}

// leave writes a marker that says who asked, and when.
func leave(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("somebody asked for it before: %s", askedBy(path))
	}
	if err != nil {
		return fmt.Errorf("telling the gateway: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s at %s\n", whoAmI(), time.Now().UTC().Format(time.RFC3339))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("telling the gateway: %w", err)
	}
	return nil
}

// whoAmI is for whoever reads a marker later.
func whoAmI() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if by := os.Getenv("SUDO_USER"); by != "" {
		name = by + " as " + name
	}
	return name
}

func askedBy(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "by whom is unknown"
	}
	return printable.Text(strings.TrimSpace(string(b)))
}

// replicaMend is the mend of whatever is wrong with a replica: its original is
// the stream.
const replicaMend = "nothing: the gateway sets a damaged replica aside and reads the stream anew, which must reach what this one had reached"

// inspect reads and verifies all of the replica and changes nothing. An empty one
// is as good as any.
func (r replica) inspect() local.Report {
	report := local.Inspect(r.dir, "")
	problems := report.Problems[:0]
	for _, p := range report.Problems {
		switch p.Code {
		case local.ProblemEmpty:
			continue
		case local.ProblemLocked, local.ProblemDirectory:
		default:
			p.Mend = replicaMend
		}
		problems = append(problems, p)
	}
	report.Problems = problems
	return report
}

// writeMarkers tells what the gateway was told and has not done.
func (r replica) writeMarkers(w io.Writer) {
	for _, marker := range []string{nats.MarkerInit, nats.MarkerAdopt} {
		path := filepath.Join(r.dir, marker)
		if _, err := os.Stat(path); err == nil {
			fmt.Fprintf(w, "%s was asked for, and the gateway has not acted on it: %s\n", marker, askedBy(path))
		}
	}
}
