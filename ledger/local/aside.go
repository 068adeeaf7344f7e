package local

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"curfew.dev/curfew/ledger"
)

// SetAside renames the files of the replica in dir to *.damaged-<time>, so that a
// new replica can begin there. It returns the head of the position file, or zero
// if that can't be read. A replica that is built again from the shared ledger must
// reach this head; otherwise the shared ledger has lost entries. An empty
// directory is no error. SetAside fails with [ledger.ErrLocked] while the
// directory is in use.
func SetAside(dir string, now time.Time) (lost ledger.Head, err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return lost, err
	}
	defer lock.Close()
	lost, _ = readPosition(filepath.Join(dir, filePosition)) // as far as it can be read
	suffix := asideSuffix(now)
	// Rename the position last, so that the next attempt after a crash still finds
	// its head.
	for _, name := range []string{fileLog + staged, filePosition + staged, fileLog, filePosition} {
		path := filepath.Join(dir, name)
		if err := os.Rename(path, path+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return lost, err
		}
		if err := syncDir(dir); err != nil {
			return lost, err
		}
	}
	return lost, nil
}

// asideSuffix returns the suffix of a file that was set aside at an instant.
func asideSuffix(now time.Time) string { return ".damaged-" + now.UTC().Format("20060102T150405.000Z") }
