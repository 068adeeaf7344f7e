// Package seedtest gives tests random numbers that can be had again: the seed is
// in the test's log, and CURFEW_SEED takes it back. Properties of
// pgregory.net/rapid do the same by themselves, with -rapid.seed.
package seedtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// New returns a generator for one test. Each call in a test begins the same
// sequence anew, and so do subtests that ask for one of their own.
func New(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("CURFEW_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			tb.Fatalf("CURFEW_SEED=%s: want a number that a test has logged: %v", given, err)
		}
	}
	tb.Logf("random numbers: to have the same again, set CURFEW_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
