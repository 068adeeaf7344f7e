//go:build linux || darwin

package caddymodule

import "syscall"

// diskFree returns the bytes that this process may still write to the file
// system of a directory, and whether they are known.
func diskFree(dir string) (bytes uint64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}
