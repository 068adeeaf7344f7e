package caddymodule

import (
	"math"
	"runtime/debug"
	gc "runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"curfew.dev/curfew/token"
)

// memoryOfProcess returns the memory that this process may use, in bytes:
// GOMEMLIMIT, or the limit that Caddy has read from the system or the container,
// else the memory of the machine. 0: unknown.
func memoryOfProcess() uint64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return uint64(limit)
	}
	all, err := memlimit.FromSystem()
	if err != nil {
		return 0
	}
	return all
}

// shareOfTokens returns the size of a token cache that nobody has configured.
func shareOfTokens(memory uint64) int64 {
	return max(token.DefaultCacheBytes, int64(min(memory, math.MaxInt64)/16))
}

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
