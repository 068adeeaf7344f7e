//go:build e2e

package e2e

import (
	"testing"

	"curfew.dev/curfew/internal/porttest"
)

// freeAddress is one on which a process that is started later, and again, can
// listen. Nobody else gets it until the test ends.
func freeAddress(t *testing.T) string {
	t.Helper()
	return "127.0.0.1:" + porttest.Keep(t, 1)[0]
}
