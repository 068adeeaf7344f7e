//go:build e2e

package fleet

import (
	"os"
	"testing"

	"curfew.dev/curfew/internal/gatewaytest"
)

// root is the module's directory, seen from here.
const root = "../.."

// A fleet is six processes: on two cores, more of them at once than this measure
// one another.
func TestMain(m *testing.M) { gatewaytest.Main(m, 3, everybodys.end) }

const patience = gatewaytest.Patience

// long reports whether the long form is wanted.
func long() bool { return os.Getenv("CURFEW_LONG") != "" }

// pick is a size of the short form or of the long one.
func pick[T any](short, whenLong T) T {
	if long() {
		return whenLong
	}
	return short
}

var buildNATS = gatewaytest.Building("nats-server", "github.com/nats-io/nats-server/v2")
