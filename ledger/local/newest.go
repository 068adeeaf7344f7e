package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// fileNewest is the name of the file, beside log and position, that keeps the
// newest instants of verified tokens.
const fileNewest = "newest"

// Newest keeps the newest iat or auth_time of each issuer that a node has
// verified. By it a node that starts with a clock that is behind knows that it
// is. A copy lies beside the witness, for the ledger that begins where a volume
// was lost. What can't be read is unknown, and damages nothing.
type Newest struct{ paths []string }

// NewestOf is the file of the ledger or replica in dir, and its copy beside the
// witness, if there is one.
func NewestOf(dir, witness string) Newest {
	paths := []string{filepath.Join(dir, fileNewest)}
	if witness != "" {
		paths = append(paths, witness+"."+fileNewest)
	}
	return Newest{paths}
}

// newestFile is what the file holds, behind a line with its hash.
type newestFile struct {
	Version int `json:"version"`
	// Newest is in Unix seconds, by issuer.
	Newest map[string]int64 `json:"newest"`
}

const newestVersion = 1

var errNewest = errors.New("it is damaged, or of a newer Curfew")

// Load returns the newest that any of the files has of each issuer, beside the
// error of one that can't be read. Files that are missing are no error.
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
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sum, body, _ := bytes.Cut(b, []byte("\n"))
	want := sha256.Sum256(body)
	if string(sum) != hex.EncodeToString(want[:]) {
		return nil, errNewest
	}
	var f newestFile
	if err := json.Unmarshal(body, &f); err != nil || f.Version != newestVersion {
		return nil, errNewest
	}
	return f.Newest, nil
}

// Save replaces the files, each durably: a crash leaves the one before.
func (n Newest) Save(newest map[string]int64) error {
	body, err := json.Marshal(newestFile{newestVersion, newest})
	if err != nil {
		return fmt.Errorf("encoding the newest instants: %w", err)
	}
	sum := sha256.Sum256(body)
	b := append([]byte(hex.EncodeToString(sum[:])+"\n"), body...)
	var errs []error
	for _, path := range n.paths {
		errs = append(errs, writeNewest(path, b))
	}
	return errors.Join(errs...)
}

func writeNewest(path string, b []byte) error {
	f, err := os.OpenFile(path+staged, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+staged, path)
}

// latest is the newest of all issuers.
func (n Newest) latest() (at time.Time) {
	all, _ := n.Load() // what can't be read is unknown
	for _, seconds := range all {
		if t := time.Unix(seconds, 0); t.After(at) {
			at = t
		}
	}
	return at
}
