package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// endurance is for how long a write is repeated before the operator is asked.
// The election of a leader among the servers of a cluster takes a few seconds.
const endurance = 25 * time.Second

const (
	defaultPause = 300 * time.Millisecond
	// longestPause is the longest Retry-After that is waited for. A server that
	// asks for more says that an operator has to do something first.
	longestPause = 10 * time.Second
)

// persist calls attempt until it succeeds, fails for good, or was repeated for
// long enough. Attempts must carry the idempotency key, so that they are one.
// Once one of them may have been heard, no later failure says that nothing was
// done.
func persist(ctx context.Context, key string, attempt func() ([]byte, error)) ([]byte, error) {
	began := time.Now()
	var heard error // the first outcome that leaves in doubt whether it was done
	for try := 1; ; try++ {
		body, err := attempt()
		if heard == nil && doubtful(err) {
			heard = err
		}
		wait, again := another(err)
		if again && time.Since(began)+wait <= endurance && pause(ctx, wait) == nil {
			continue
		}
		switch {
		case err == nil:
			return body, nil
		case heard != nil:
			return body, &inDoubt{heard: heard, last: err, key: key, tries: try, took: time.Since(began)}
		case try > 1:
			return body, fmt.Errorf("%w\n  Tried %d times in %s", err, try, time.Since(began).Round(time.Second))
		}
		return body, err
	}
}

// another says whether an attempt that ended so is worth repeating, and when.
// A refused connection is not: nothing listens.
func another(err error) (wait time.Duration, again bool) {
	var refusal *problem
	switch {
	case err == nil:
		return 0, false
	case errors.As(err, &refusal):
		if refusal.retryAfter < 0 {
			return defaultPause, refusal.retryable()
		}
		return max(refusal.retryAfter, defaultPause), refusal.retryable() && refusal.retryAfter <= longestPause
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
	heard error // of an attempt that may have been done
	last  error // of the last attempt
	key   string
	tries int
	took  time.Duration
}

// Error never says that nothing was done: that is true of the last attempt only.
func (d *inDoubt) Error() string {
	var b strings.Builder
	b.WriteString(d.heard.Error())
	if d.tries > 1 {
		fmt.Fprintf(&b, "\n  Tried %d times in %s", d.tries, d.took.Round(time.Second))
		if brief(d.last) != brief(d.heard) {
			b.WriteString("; the last answer: " + brief(d.last))
		}
	}
	b.WriteString("\n  It may have been done. Run the command again with --idempotency-key " + d.key + ": it is done once")
	return b.String()
}

// Unwrap is the last outcome.
func (d *inDoubt) Unwrap() error { return d.last }

// brief is what an answer says beside its title, which speaks of all that was
// asked.
func brief(err error) string {
	var refusal *problem
	if errors.As(err, &refusal) {
		return refusal.brief()
	}
	return err.Error()
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
	return time.Duration(s) * time.Second
}
