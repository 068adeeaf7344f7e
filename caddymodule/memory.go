package caddymodule

import (
	"math"
	"runtime/debug"
	gc "runtime/metrics"
)

// crowded reports whether the process is near its memory limit: whether the
// live heap would exceed nine tenths of the limit if the index had to double.
// The limit is GOMEMLIMIT, or the limit that Caddy has read from the system or
// the container. Without a limit the answer is false.
func (g *gateway) crowded() bool {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return false
	}
	live := []gc.Sample{{Name: "/gc/heap/live:bytes"}}
	gc.Read(live)
	return live[0].Value.Uint64()+uint64(g.node.Index().Bytes()) > uint64(limit)/10*9
}
