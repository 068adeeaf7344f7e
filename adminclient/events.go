package adminclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"curfew.dev/curfew/internal/pause"
)

// maxEvent bounds an event, in bytes.
const maxEvent = 1 << 20

// silence is how long the stream may say nothing: the gateway sends a comment
// every 15 s.
const silence = 45 * time.Second

// resumeAfter is the pause before the stream is resumed, unless the gateway
// names another.
const resumeAfter = time.Second

// Event is something that the node has applied.
type Event struct {
	Kind string // revocation, block, lift, step_up or device
	Data []byte // JSON of the receipt
}

// Follow yields what the node applies: after a position, or from now on if it is
// empty. A connection that breaks off is resumed where it ended, after lost was
// told. The sequence ends with the context, or with an error: the first
// connection failed, or the gateway refuses. A position before the last trim is
// refused with the status 410.
func (c *Client) Follow(ctx context.Context, after string, lost func(err error, after string)) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		wait := resumeAfter
		for connected := false; ; {
			events, err := c.events(ctx, after)
			if err == nil {
				connected = true
				err = events.each(yield)
				events.close()
				if after = events.lastID; events.retry > 0 {
					wait = events.retry
				}
			}
			var refusal *Problem
			switch {
			case err == nil || ctx.Err() != nil:
				return
			case !connected, errors.As(err, &refusal) && !refusal.Retryable():
				yield(Event{}, err)
				return
			}
			lost(err, after)
			if pause.For(ctx, wait) != nil {
				return
			}
		}
	}
}

// connection is one connection to the stream of events.
type connection struct {
	*eventReader
	close func()
}

func (c *Client) events(ctx context.Context, after string) (*connection, error) {
	ctx, cancel := context.WithCancel(ctx)
	idle := newIdleTimer(silence, cancel)
	fields := []field{{"Accept", "text/event-stream"}}
	if after != "" {
		fields = append(fields, field{"Last-Event-ID", after})
	}
	resp, err := c.open(ctx, http.MethodGet, "/v1/events", nil, fields...)
	if err != nil {
		idle.stop()
		cancel()
		return nil, err
	}
	return &connection{newEventReader(idle.answer(resp.Body), after), func() {
		idle.stop()
		cancel()
		_ = resp.Body.Close()
	}}, nil
}

// each yields the events of a connection until it ends, which is an error, or
// the caller stops.
func (c *connection) each(yield func(Event, error) bool) error {
	for {
		e, err := c.next()
		if err != nil {
			return fmt.Errorf("%w: reading its events: %w", ErrUnreachable, err)
		}
		if !yield(e, nil) {
			return nil
		}
	}
}

// eventReader reads a stream of server-sent events (WHATWG HTML, section 9.2).
type eventReader struct {
	lines *bufio.Scanner
	// lastID is where to resume: the id of the last event that was complete.
	lastID string
	// retry is how long the server wants a client to wait; zero: not said.
	retry time.Duration
}

func newEventReader(r io.Reader, lastID string) *eventReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	return &eventReader{lines: lines, lastID: lastID}
}

// next returns the next event that has data. An event that is not complete when
// the stream breaks off is left out: it comes again.
func (r *eventReader) next() (Event, error) {
	var e Event
	var size int
	id := r.lastID
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if len(line) == 0 {
			r.lastID = id
			if e.Data != nil {
				e.Data = bytes.TrimSuffix(e.Data, []byte("\n"))
				return e, nil
			}
			e = Event{}
			continue
		}
		if size += len(line); size > maxEvent {
			return Event{}, bufio.ErrTooLong
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			e.Kind = string(value)
		case "data":
			e.Data = append(append(e.Data, value...), '\n')
		case "id":
			if validID(value) {
				id = string(value)
			}
		case "retry":
			r.setRetry(string(value))
		}
	}
	if err := r.lines.Err(); err != nil {
		return Event{}, err
	}
	return Event{}, io.ErrUnexpectedEOF
}

// validID reports whether an id can be sent back in a header field.
func validID(id []byte) bool {
	for _, b := range id {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}

func (r *eventReader) setRetry(value string) {
	if strings.Trim(value, "0123456789") != "" {
		return
	}
	if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
		r.retry = min(max(time.Duration(ms), 1)*time.Millisecond, longestPause)
	}
}
