package local

import (
	"os"
	"syscall"
)

// datasync makes the writes to f durable. The position never changes its size, so
// its times need not be journalled.
func datasync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	if err := conn.Control(func(fd uintptr) { syncErr = syscall.Fdatasync(int(fd)) }); err != nil {
		return err
	}
	return os.NewSyscallError("fdatasync", syncErr)
}
