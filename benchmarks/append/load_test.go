package main

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A wait that counted from the next due time would leave out most of a short
// one, or all of it.
func TestAWaitCountsFromItsOwnDueTime(t *testing.T) {
	const took = 3 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var calls atomic.Int64
		arrive(ctx, 100, func(due time.Time) {
			calls.Add(1)
			time.Sleep(took)
			if waited := time.Since(due); waited != took {
				t.Errorf("a call that took %s counts %s", took, waited)
			}
		})
		if n := calls.Load(); n < 700 || n > 1300 {
			t.Errorf("%d calls in 10 s at 100 a second", n)
		}
	})
}
