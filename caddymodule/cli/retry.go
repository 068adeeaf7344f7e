package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// tries is how often a write is sent before the operator is asked.
const tries = 3

const (
	defaultPause = 300 * time.Millisecond
	longestPause = 10 * time.Second
)

// persist calls attempt until it succeeds, fails for good, or was tried often
// enough. Attempts must carry the idempotency key, so that they are one.
func persist(ctx context.Context, key string, attempt func() ([]byte, error)) ([]byte, error) {
	for try := 1; ; try++ {
		body, err := attempt()
		wait, again := another(err)
		if !again {
			return body, err
		}
		if try == tries || pause(ctx, wait) != nil {
			return body, inDoubt(err, key)
		}
	}
}

// another says whether an attempt that ended so is worth repeating, and when.
// Where nothing listens nothing was sent, and nothing will be.
func another(err error) (wait time.Duration, again bool) {
	var refusal *problem
	switch {
	case err == nil:
		return 0, false
	case errors.As(err, &refusal):
		if refusal.retryAfter < 0 {
			return defaultPause, refusal.retryable()
		}
		return refusal.retryAfter, refusal.retryable()
	case notSent(err):
		return 0, false
	}
	return defaultPause, errors.Is(err, errUnreachable)
}

// notSent reports whether a request failed before the gateway saw any of it.
func notSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// inDoubt tells how to find out what became of a write.
func inDoubt(err error, key string) error {
	var refusal *problem
	if errors.As(err, &refusal) && !refusal.doubtful() {
		return err
	}
	return fmt.Errorf("%w\n  It may have been done all the same. Run the command again with --idempotency-key %s: it is done once", err, key)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// retryAfterOf reads the header in its form of seconds; negative if there is
// none.
func retryAfterOf(h http.Header) time.Duration {
	s, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return -1
	}
	return min(time.Duration(s)*time.Second, longestPause)
}
