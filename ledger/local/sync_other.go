//go:build !linux

package local

import "os"

// datasync makes the writes to f durable.
func datasync(f *os.File) error { return f.Sync() }
