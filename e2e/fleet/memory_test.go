//go:build e2e

package fleet

import (
	"testing"
	"time"
)

// F-18: a gateway has less memory than its index needs. The limit is a soft one:
// it gets slower, may take no more writes itself, and forgets nothing. (A hard
// limit ends the process, which is a kill -9: see the restarts.)
func TestLittleMemory(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 2, func(g *gateway) {
		if g.Name == "edge-2" {
			g.env = append(g.env, "GOMEMLIMIT=48MiB")
		}
	})
	f.load(crowd("person", 3), 20*time.Millisecond, f.gateways...)
	for range pick(1, 10) {
		f.importMany(f.gateways[0], pick(10_000, 50_000))
	}
	for _, who := range crowd("revoked", 3) {
		f.mustRevoke(f.gateways[0], who)
	}
	w, _ := f.revoke(f.gateways[1], "one more") // 201, or 507 where there is no memory for it
	t.Logf("with a limit, a write is answered with %d", w.status)
	t.Logf("resident: %d MB without a limit, %d MB with one", resident(t, f.gateways[0]), resident(t, f.gateways[1]))
	f.judge()
}
