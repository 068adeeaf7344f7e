package rig

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// GatewayCPU is what products under test are pinned to: one core for each,
// whatever processes it consists of.
const GatewayCPU = "0"

// pinned marks a process that has moved aside already.
const pinned = "CURFEW_BENCHMARK_PINNED"

// MoveAside moves this process, and what it starts, off the core of the
// products under test, by running itself again. Where that can't be done, it
// returns, and core is empty: nothing should be pinned then.
func MoveAside() (core string, err error) {
	if os.Getenv(pinned) != "" {
		return GatewayCPU, nil
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 {
		return "", nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	others := "1-" + strconv.Itoa(runtime.NumCPU()-1)
	args := append([]string{taskset, "-c", others, self}, os.Args[1:]...)
	if err := syscall.Exec(taskset, args, append(os.Environ(), pinned+"="+strconv.Itoa(runtime.NumCPU()))); err != nil {
		return "", fmt.Errorf("running aside: %w", err)
	}
	return "", nil
}

// cores is how many this machine has, also for who was moved to some of them.
func cores() int {
	if n, err := strconv.Atoi(os.Getenv(pinned)); err == nil {
		return n
	}
	return runtime.NumCPU()
}
