package seedtest_test

import (
	"testing"

	"curfew.dev/curfew/internal/seedtest"
)

func TestAGivenSeedGivesTheSameNumbers(t *testing.T) {
	t.Setenv("CURFEW_SEED", "42")
	if a, b := seedtest.New(t).Uint64(), seedtest.New(t).Uint64(); a != b {
		t.Errorf("%d, then %d", a, b)
	}
	t.Setenv("CURFEW_SEED", "")
	if a, b := seedtest.New(t).Uint64(), seedtest.New(t).Uint64(); a == b {
		t.Errorf("twice %d without a seed", a)
	}
}
