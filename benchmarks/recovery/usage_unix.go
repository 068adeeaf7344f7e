//go:build unix

package main

import (
	"runtime"
	"syscall"
	"time"
)

// usage is the CPU time of this process so far, and the most memory that was
// resident.
func usage() (cpu time.Duration, peak int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	peak = int64(u.Maxrss)
	if runtime.GOOS != "darwin" {
		peak <<= 10 // there it is in bytes, elsewhere in KiB
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), peak
}
