//go:build !linux

package gatewaytest

import "os/exec"

// dieWithParent needs Linux; elsewhere a run that is killed leaves its children
// to be found with ps.
func dieWithParent(*exec.Cmd) {}
