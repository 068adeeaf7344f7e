//go:build e2e

package e2e

import (
	"testing"

	"curfew.dev/curfew/internal/gatewaytest"
)

// Tests wait more than they compute: for clocks to pass the skew, for a process to
// start.
func TestMain(m *testing.M) { gatewaytest.Main(m, 8, closeChromium) }
