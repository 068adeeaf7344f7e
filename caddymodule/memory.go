package caddymodule

import (
	"math"
	"runtime/debug"
	gc "runtime/metrics"
)

// crowded reports whether what is alive, and an index that has to grow, which
// doubles it, would nearly use up the memory that the process may have. It knows
// that where GOMEMLIMIT says it, or Caddy has asked the system or the container.
func (g *gateway) crowded() bool {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return false
	}
	live := []gc.Sample{{Name: "/gc/heap/live:bytes"}}
	gc.Read(live)
	return live[0].Value.Uint64()+uint64(g.node.Index().Bytes()) > uint64(limit)/10*9
}
