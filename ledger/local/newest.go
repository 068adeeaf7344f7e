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

var errNewest = errors.New("it is damaged, or of a newer Curfew")

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

// Save replaces each file durably. After a crash a file has its old or its new
// content.
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
