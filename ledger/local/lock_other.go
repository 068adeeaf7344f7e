//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package local

import (
	"fmt"
	"os"
)

// lockDir does nothing. bbolt locks its own file.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the directory of the ledger: %w", err)
	}
	return f, nil
}

// abandon releases a file whose mapping can't be undone.
func abandon(f *os.File) error { return f.Close() }
