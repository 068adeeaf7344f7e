package cli

import (
	"context"
	"errors"
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
// enough. Attempts must carry the idempotency key, so that they are one. Once
// one of them may have been heard, no later failure says that nothing was done.
func persist(ctx context.Context, key string, attempt func() ([]byte, error)) ([]byte, error) {
	heard := false
	for try := 1; ; try++ {
		body, err := attempt()
		heard = heard || doubtful(err)
		wait, again := another(err)
		if again && try < tries && pause(ctx, wait) == nil {
			continue
		}
		if err != nil && heard {
			err = &inDoubt{err, key}
		}
		return body, err
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

// doubtful reports whether a write that ended so may have been done all the
// same.
func doubtful(err error) bool {
	var refusal *problem
	if errors.As(err, &refusal) {
		return refusal.doubtful()
	}
	return errors.Is(err, errUnreachable) && !notSent(err)
}

// inDoubt is a failed write of which nobody knows whether it was done, and how
// to find out.
type inDoubt struct {
	err error
	key string
}

func (d *inDoubt) Error() string {
	return d.err.Error() + "\n  It may have been done all the same. Run the command again with --idempotency-key " + d.key + ": it is done once"
}

func (d *inDoubt) Unwrap() error { return d.err }

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
