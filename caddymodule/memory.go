package caddymodule

import (
	"math"
	"runtime/debug"
	gc "runtime/metrics"
)

// crowded reports whether what is alive has nearly used up the memory that the
// process may have. It knows that only where GOMEMLIMIT says it.
func crowded() bool {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return false
	}
	live := []gc.Sample{{Name: "/gc/heap/live:bytes"}}
	gc.Read(live)
	return live[0].Value.Uint64() > uint64(limit)/10*9
}
