//go:build e2e && !linux

package fleet

import "os/exec"

// dieWithParent needs Linux; elsewhere a run that is killed leaves its children
// to be found with ps.
func dieWithParent(*exec.Cmd) {}
