//go:build !linux && !darwin

package caddymodule

// diskFree does not know how much room is left on this system.
func diskFree(string) (bytes uint64, known bool) { return 0, false }
