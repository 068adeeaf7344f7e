package gatewaytest

import (
	"os/exec"
	"syscall"
)

// dieWithParent also ends the child when the test binary is killed, as on a
// timeout.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
