package local

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"curfew.dev/curfew/ledger"
)

// SetAside makes room for a new replica in dir: the files that are there become
// *.damaged-<time>. It returns the head that the position file spoke of, zero
// where none can be read: a replica that is built again from the shared ledger
// must reach it, or the shared ledger has lost something. An empty directory is
// no error; one in use is [ledger.ErrLocked].
func SetAside(dir string, now time.Time) (lost ledger.Head, err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return lost, err
	}
	defer lock.Close()
	lost, _ = readPosition(filepath.Join(dir, filePosition)) // as far as it can be read
	suffix := asideSuffix(now)
	// The position last: as long as it is in its place, what it says is found
	// by the next attempt.
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

// asideSuffix marks a file that was replaced at an instant.
func asideSuffix(now time.Time) string { return ".damaged-" + now.UTC().Format("20060102T150405.000Z") }
