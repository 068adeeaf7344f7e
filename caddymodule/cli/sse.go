package cli

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxEvent bounds an event, in bytes.
const maxEvent = 1 << 20

// event is one server-sent event with data.
type event struct {
	kind string
	data []byte
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

// next returns the next event that has data. An event that the stream breaks
// off in is none: it comes again.
func (r *eventReader) next() (event, error) {
	var e event
	var size int
	id := r.lastID
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if len(line) == 0 {
			r.lastID = id
			if e.data != nil {
				e.data = bytes.TrimSuffix(e.data, []byte("\n"))
				return e, nil
			}
			e = event{}
			continue
		}
		if size += len(line); size > maxEvent {
			return event{}, bufio.ErrTooLong
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			e.kind = string(value)
		case "data":
			e.data = append(append(e.data, value...), '\n')
		case "id":
			if validID(value) {
				id = string(value)
			}
		case "retry":
			r.setRetry(string(value))
		}
	}
	if err := r.lines.Err(); err != nil {
		return event{}, err
	}
	return event{}, io.ErrUnexpectedEOF
}

// validID keeps out what can't be sent back in a header field.
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
