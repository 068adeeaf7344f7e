package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"curfew.dev/curfew/ledger"
)

// beginning describes a ledger that this opening began.
type beginning struct {
	head   ledger.Head // its genesis
	before ledger.Head // the head that the witness had
}

// inVain reports whether Close must remove the ledger: this opening began it,
// nothing was written to it, and [Options].Withdraw says so.
func (l *Ledger) inVain() bool {
	o := l.options
	return l.begun != nil && o.Withdraw != nil && o.Withdraw() &&
		l.Head() == l.begun.head && l.suspect == nil && l.Err() == nil && l.inPlace() == nil
}

// withdraw removes the ledger, and then its witness and its trace. If it fails
// between the two, the next ledger signs everybody out.
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

// uninstall takes the steps of an installation back in reverse order. After a crash
// between them, [settle] leaves all of the ledger or nothing.
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

// resetWitness writes an earlier head to a witness.
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
