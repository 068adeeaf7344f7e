package rig

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// GatewayCPU is the core to which products under test are pinned: one core for
// each product, however many processes it has.
const GatewayCPU = "0"

// pinned marks a process that MoveAside has started again.
const pinned = "CURFEW_BENCHMARK_PINNED"

// MoveAside moves this process and its children off the core of the products
// under test, by running this program again. If that is impossible, it returns
// an empty core, and the caller must pin nothing.
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

// cores returns the number of cores of this machine, even for a process that is
// pinned to some of them.
func cores() int {
	if n, err := strconv.Atoi(os.Getenv(pinned)); err == nil {
		return n
	}
	return runtime.NumCPU()
}
