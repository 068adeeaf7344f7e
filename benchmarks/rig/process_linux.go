package rig

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"
	"unsafe"
)

// cpuTime reads the CPU clock of a process in nanoseconds. /proc counts in
// ticks of 10 ms, which is too coarse.
func cpuTime(pid int) (time.Duration, error) {
	const scheduled = 2 // what the scheduler accounts, user and system
	clock := ^pid<<3 | scheduled
	var t syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", pid, errno)
	}
	return time.Duration(t.Nano()), nil
}

// dieWithParent ends the child if this program is killed.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
