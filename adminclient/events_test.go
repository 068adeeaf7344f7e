package adminclient

import (
	"bufio"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestEvents(t *testing.T) {
	const stream = ": hello\n\n" +
		"retry: 250\nid: 7.1\n\n" + // a position without an event
		"event: revocation\r\nid:7.2\r\ndata: {}\r\n\r\n" +
		"event: lift\ndata: one\ndata:two\ndata\n\n" +
		"event: nothing\n\n" +
		"id: no\x00pe\ndata: x\n\n" +
		"retry: soon\nunknown: field\ndata: last\n\n" +
		"id: 7.3\ndata: broken off"
	r := newEventReader(strings.NewReader(stream), "7.0")
	var got []Event
	var ids []string
	for {
		e, err := r.next()
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatal(err)
			}
			break
		}
		got, ids = append(got, e), append(ids, r.lastID)
	}
	want := []Event{
		{"revocation", []byte("{}")},
		{"lift", []byte("one\ntwo\n")},
		{"", []byte("x")},
		{"", []byte("last")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	if want := []string{"7.2", "7.2", "7.2", "7.2"}; !reflect.DeepEqual(ids, want) {
		t.Errorf("ids %q, want %q", ids, want)
	}
	if r.lastID != "7.2" {
		t.Errorf("an event that broke off moved the position to %q", r.lastID)
	}
	if r.retry != 250*time.Millisecond {
		t.Errorf("retry %s", r.retry)
	}
}

func TestEventsBounded(t *testing.T) {
	for name, line := range map[string]string{
		"long line":  "data: " + strings.Repeat("x", maxEvent+1) + "\n",
		"many lines": strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", maxEvent/1000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newEventReader(strings.NewReader(line+"\n"), "").next()
			if !errors.Is(err, bufio.ErrTooLong) {
				t.Fatalf("error %v, want %v", err, bufio.ErrTooLong)
			}
		})
	}
}

// FuzzEvents: however the bytes arrive, the events are the same, and what is
// sent back fits into a header field.
func FuzzEvents(f *testing.F) {
	f.Add("event: a\nid: 1.1\ndata: x\n\n", "")
	f.Add("retry: 99999999999\nid: \n\n", "7.1")
	f.Add(":\n\ndata\n\ndata:\n\n", "")
	f.Fuzz(func(t *testing.T, stream, lastID string) {
		if !validID([]byte(lastID)) {
			return
		}
		whole := newEventReader(strings.NewReader(stream), lastID)
		dribble := newEventReader(iotest.OneByteReader(strings.NewReader(stream)), lastID)
		for {
			a, errA := whole.next()
			b, errB := dribble.next()
			if !reflect.DeepEqual(a, b) || (errA == nil) != (errB == nil) || whole.lastID != dribble.lastID || whole.retry != dribble.retry {
				t.Fatalf("%q %v %q, but byte by byte %q %v %q", a, errA, whole.lastID, b, errB, dribble.lastID)
			}
			if !validID([]byte(whole.lastID)) || whole.retry < 0 || whole.retry > longestPause {
				t.Fatalf("id %q, retry %s", whole.lastID, whole.retry)
			}
			if errA != nil {
				return
			}
		}
	})
}
