package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"curfew.dev/curfew/ledger"
)

// beginning is how an opening began the ledger that it found missing.
type beginning struct {
	head   ledger.Head // its genesis
	before ledger.Head // what the witness had said
}

// inVain reports whether this opening began a ledger for nothing: nothing was
// written to it, and who configured it wants it gone.
func (l *Ledger) inVain() bool {
	o := l.options
	return l.begun != nil && o.Withdraw != nil && o.Withdraw() &&
		l.Head() == l.begun.head && l.suspect == nil && l.Err() == nil && l.inPlace() == nil
}

// withdraw removes the ledger and then what is remembered of it: if only the
// first came about, the next one signs everybody out.
func (l *Ledger) withdraw() error {
	err := uninstall(l.options.Dir)
	if err == nil {
		err = errors.Join(l.trace.forget(), resetWitness(l.options.Witness, l.begun.before))
	}
	if err != nil {
		return fmt.Errorf("withdrawing the ledger in %s: %w", l.options.Dir, err)
	}
	return nil
}

// uninstall goes back the way of an installation. A crash in between leaves
// what [settle] understands: all of the ledger, or nothing.
func uninstall(dir string) error {
	for _, step := range uninstallSteps(dir) {
		if err := errors.Join(step(), syncDir(dir)); err != nil {
			return err
		}
	}
	return nil
}

func uninstallSteps(dir string) []func() error {
	log := filepath.Join(dir, fileLog)
	return []func() error{
		func() error { return os.Rename(log, log+staged) },
		func() error { return os.Remove(filepath.Join(dir, filePosition)) },
		func() error { return os.Remove(log + staged) },
	}
}

// resetWitness makes a witness say what it said before.
func resetWitness(path string, before ledger.Head) error {
	if path == "" {
		return nil
	}
	if before != (ledger.Head{}) {
		return writeWitness(path, before)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
