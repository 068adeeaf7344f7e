package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

var errSummed = errors.New("it is damaged, or of a newer Curfew")

// readSummed reads a small file: a line with the hash of what follows, then JSON.
func readSummed(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sum, body, _ := bytes.Cut(b, []byte("\n"))
	want := sha256.Sum256(body)
	if string(sum) != hex.EncodeToString(want[:]) || json.Unmarshal(body, into) != nil {
		return errSummed
	}
	return nil
}

// writeSummed replaces such a file durably. After a crash it has its old or its new
// content.
func writeSummed(path string, content any) error {
	body, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", path, err)
	}
	sum := sha256.Sum256(body)
	f, err := os.OpenFile(path+staged, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append([]byte(hex.EncodeToString(sum[:])+"\n"), body...))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+staged, path)
}
