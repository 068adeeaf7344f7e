package admin

import (
	"context"
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/revocation"
)

// How long a write waits for the other nodes before it answers: unless the
// caller says otherwise, and at most.
const (
	defaultWait = 2 * time.Second
	maxWait     = 8 * time.Second
)

// parseWait reads how long a caller wants to wait; empty is the default.
func parseWait(pointer, asked string) (time.Duration, *Problem) {
	if asked == "" {
		return defaultWait, nil
	}
	d, err := time.ParseDuration(asked)
	if err != nil || d < 0 || d > maxWait {
		return 0, httpapi.InvalidRequest.At(pointer, "want a duration up to %s, such as 2s", maxWait)
	}
	return d, nil
}

// await gives the other nodes time to enforce what is durable, so that the
// receipt can say so. Whether they do or not, the write stands: who hung up is
// not waited for.
func (a *api) await(c *httpapi.Call, pos revocation.Position, atMost time.Duration) {
	if atMost <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), atMost)
	defer cancel()
	a.Node.Await(ctx, pos)
}
