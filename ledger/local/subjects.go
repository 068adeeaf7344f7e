package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// fileSubjects is the name of the file that says which claim names people. It is in
// the directory of log and position.
const fileSubjects = "subjects"

// Subjects says which claim of each issuer's tokens names people in the records of a
// ledger. Under another claim a record would hit nobody, or somebody else.
type Subjects struct {
	// Epoch is the epoch of the ledger for which that was true; 0: the one that is
	// read next.
	Epoch uint64 `json:"epoch"`
	// Claims are by issuer.
	Claims map[string]string `json:"claims"`
}

type subjectsFile struct {
	Version int `json:"version"`
	Subjects
}

const subjectsVersion = 1

// LoadSubjects reads the file of the ledger or replica in dir. It is not found where
// there is no log, whose records it could be about. A log without the file was
// written by a node that knew sub alone, so nothing is said of any issuer.
func LoadSubjects(dir string) (s Subjects, found bool, err error) {
	if found, err = exists(filepath.Join(dir, fileLog)); err != nil || !found {
		return s, found, err
	}
	path := filepath.Join(dir, fileSubjects)
	var f subjectsFile
	err = readSummed(path, &f)
	if err == nil && f.Version != subjectsVersion {
		err = errSummed
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return s, true, fmt.Errorf("reading %s: %w", path, err)
	}
	return f.Subjects, true, nil
}

// SaveSubjects replaces the file durably.
func SaveSubjects(dir string, s Subjects) error {
	return writeSummed(filepath.Join(dir, fileSubjects), subjectsFile{subjectsVersion, s})
}

// ForgetSubjects removes the file where there is no log.
func ForgetSubjects(dir string) error {
	if found, err := exists(filepath.Join(dir, fileLog)); err != nil || found {
		return err
	}
	if err := os.Remove(filepath.Join(dir, fileSubjects)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
