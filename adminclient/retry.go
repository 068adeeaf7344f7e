package adminclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"curfew.dev/curfew/internal/pause"
)

// defaultEndurance is for how long a write is sent again. The election of a
// leader among the servers of a cluster takes a few seconds.
const defaultEndurance = 25 * time.Second

const (
	defaultPause = 300 * time.Millisecond
	// longestPause is the longest Retry-After that is waited for. A server that
	// asks for more says that an operator has to do something first.
	longestPause = 10 * time.Second
)

func (c *Client) endurance() time.Duration {
	if c.Endurance == 0 {
		return defaultEndurance
	}
	return c.Endurance
}

// persist calls attempt until it succeeds, fails for good, or was repeated for
// long enough. Attempts must carry the idempotency key, so that they are one.
// Once the gateway may have heard one of them, no later failure says that
// nothing was done.
func persist(ctx context.Context, key string, endurance time.Duration, attempt func() error) error {
	began := time.Now()
	var heard error // the first outcome that leaves in doubt whether it was done
	for try := 1; ; try++ {
		err := attempt()
		if heard == nil && doubtful(err) {
			heard = err
		}
		wait, again := another(err)
		if again && time.Since(began)+wait <= endurance && pause.For(ctx, wait) == nil {
			continue
		}
		switch {
		case err == nil:
			return nil
		case heard != nil:
			return &InDoubt{Key: key, heard: heard, last: err, tries: try, took: time.Since(began)}
		case try > 1:
			return fmt.Errorf("%w\n  Tried %d times in %s", err, try, time.Since(began).Round(time.Second))
		}
		return err
	}
}

// another says whether an attempt that ended so is worth repeating, and when.
// A refused connection is not: nothing listens.
func another(err error) (wait time.Duration, again bool) {
	var refusal *Problem
	switch {
	case err == nil:
		return 0, false
	case errors.As(err, &refusal):
		if refusal.RetryAfter < 0 {
			return defaultPause, refusal.Retryable()
		}
		return max(refusal.RetryAfter, defaultPause), refusal.Retryable() && refusal.RetryAfter <= longestPause
	case NotSent(err):
		return 0, false
	}
	return defaultPause, errors.Is(err, ErrUnreachable)
}

// NotSent reports whether a request failed before the gateway saw any of it.
func NotSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// doubtful reports whether a write that ended so may have been done all the
// same.
func doubtful(err error) bool {
	var refusal *Problem
	if errors.As(err, &refusal) {
		return refusal.doubtful()
	}
	return errors.Is(err, ErrUnreachable) && !NotSent(err)
}

// InDoubt is the failure of a write that may have been done all the same. To find
// out, send it again with the same key: it is done once.
type InDoubt struct {
	Key string // the idempotency key

	heard error // of an attempt that may have been done
	last  error // of the last attempt
	tries int
	took  time.Duration
}

// Error never says that nothing was done: that is true of the last attempt only.
func (d *InDoubt) Error() string {
	var b strings.Builder
	b.WriteString(d.heard.Error())
	if d.tries > 1 {
		fmt.Fprintf(&b, "\n  Tried %d times in %s", d.tries, d.took.Round(time.Second))
		if brief(d.last) != brief(d.heard) {
			b.WriteString("; the last answer: " + brief(d.last))
		}
	}
	b.WriteString("\n  It may have been done")
	return b.String()
}

// Unwrap is the last outcome.
func (d *InDoubt) Unwrap() error { return d.last }

// brief is what an answer says besides its title.
func brief(err error) string {
	var refusal *Problem
	if errors.As(err, &refusal) {
		return refusal.brief()
	}
	return err.Error()
}

// retryAfterOf reads the header in its form of seconds; negative if there is
// none.
func retryAfterOf(h http.Header) time.Duration {
	s, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return -1
	}
	return time.Duration(s) * time.Second
}
