package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// fileNewest is the name of the file with the newest instants of verified tokens.
// It is in the directory of log and position.
const fileNewest = "newest"

// Newest stores the newest iat or auth_time that a node has verified, by issuer. A
// node that starts with a slow clock notices it by this file. A copy is in the
// directory of the witness, for a ledger that begins after a volume was lost. An
// unreadable file counts as empty and does no harm.
type Newest struct{ paths []string }

// NewestOf returns the file of the ledger or replica in dir. If witness is not
// empty, it includes the copy in the witness's directory.
func NewestOf(dir, witness string) Newest {
	paths := []string{filepath.Join(dir, fileNewest)}
	if witness != "" {
		paths = append(paths, witness+"."+fileNewest)
	}
	return Newest{paths}
}

// newestFile is the content of the file. A line with its hash comes first.
type newestFile struct {
	Version int `json:"version"`
	// Newest is in Unix seconds, by issuer.
	Newest map[string]int64 `json:"newest"`
}

const newestVersion = 1

// Load returns the newest instant of each issuer in any of the files. It also
// returns the errors of unreadable files. A missing file is no error.
func (n Newest) Load() (map[string]int64, error) {
	all := make(map[string]int64)
	var errs []error
	for _, path := range n.paths {
		found, err := readNewest(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("reading %s: %w", path, err))
		}
		for issuer, at := range found {
			all[issuer] = max(all[issuer], at)
		}
	}
	return all, errors.Join(errs...)
}

func readNewest(path string) (map[string]int64, error) {
	var f newestFile
	if err := readSummed(path, &f); err != nil {
		return nil, err
	}
	if f.Version != newestVersion {
		return nil, errSummed
	}
	return f.Newest, nil
}

// Save replaces each file durably. After a crash a file has its old or its new
// content.
func (n Newest) Save(newest map[string]int64) error {
	var errs []error
	for _, path := range n.paths {
		errs = append(errs, writeSummed(path, newestFile{newestVersion, newest}))
	}
	return errors.Join(errs...)
}

// latest returns the newest instant of all issuers.
func (n Newest) latest() (at time.Time) {
	all, _ := n.Load() // an unreadable file counts as empty
	for _, seconds := range all {
		if t := time.Unix(seconds, 0); t.After(at) {
			at = t
		}
	}
	return at
}
