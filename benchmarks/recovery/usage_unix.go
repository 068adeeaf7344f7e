//go:build unix

package main

import (
	"runtime"
	"syscall"
	"time"
)

// usage returns the CPU time of this process so far, and its largest resident
// memory.
func usage() (cpu time.Duration, peak int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	peak = int64(u.Maxrss)
	if runtime.GOOS != "darwin" {
		peak <<= 10 // darwin reports bytes, other systems KiB
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), peak
}
