// Package pause waits between two attempts, and no longer than its caller. A
// caller that is gone must never be waited for.
package pause

import (
	"context"
	"time"
)

// For waits for a duration. If the context ends first, For returns at once, with
// the cause of that end.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
