package caddymodule

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestTheTokenCacheIsASixteenthOfTheMemory(t *testing.T) {
	for memory, want := range map[uint64]int64{
		0: 64 << 20, 512 << 20: 64 << 20, 1 << 30: 64 << 20, 2 << 30: 128 << 20, 32 << 30: 2 << 30, math.MaxUint64: math.MaxInt64 / 16,
	} {
		if got := shareOfTokens(memory); got != want {
			t.Errorf("of %d bytes: %d, want %d", memory, got, want)
		}
	}
}

func TestASizeThatIsGivenIsExact(t *testing.T) {
	a := App{TokenCache: 1 << 20, NodeName: "edge"}
	if err := a.setDefaults(); err != nil || a.TokenCache != 1<<20 {
		t.Errorf("1 MiB became %d, %v", a.TokenCache, err)
	}
}

func TestTheMemoryIsThatOfTheLimit(t *testing.T) {
	before := debug.SetMemoryLimit(3 << 30)
	defer debug.SetMemoryLimit(before)
	if got := memoryOfProcess(); got != 3<<30 {
		t.Errorf("with a limit of 3 GiB: %d", got)
	}
	a := App{NodeName: "edge"}
	if err := a.setDefaults(); err != nil || a.TokenCache != 192<<20 {
		t.Errorf("the default is %d, %v, want 192 MiB", a.TokenCache, err)
	}
	debug.SetMemoryLimit(math.MaxInt64)
	if got := memoryOfProcess(); got < 64<<20 || got > 1<<50 {
		t.Errorf("the machine has %d bytes", got)
	}
}
