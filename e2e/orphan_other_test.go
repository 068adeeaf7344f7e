//go:build e2e && !linux

package e2e

import "os/exec"

// dieWithParent needs Linux; elsewhere a run that is killed leaves its children
// to be found with ps.
func dieWithParent(*exec.Cmd) {}
