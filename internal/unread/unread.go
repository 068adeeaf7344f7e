// Package unread is for answers to requests whose bodies are not read. Without it
// such an answer waits for the body. All of it is in unread.go.
package unread

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// lingering is how long a client may go on sending what is not read any more.
const lingering = 500 * time.Millisecond

// Ignore is for an answer to a request whose body is not read, such as a refusal.
// It must be called before the header is written. An HTTP/1 server otherwise reads
// the body before it sends the answer, and a client that waits for the answer
// never sends the body.
//
// The returned function sends the answer, which must be complete, and reads on
// for a moment: a connection that is closed with data in it is reset, and the
// client may lose the answer. A caller that leaves the answer to others must
// not call it.
func Ignore(w http.ResponseWriter, r *http.Request) (linger func()) {
	if r.ProtoMajor != 1 || r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return func() {}
	}
	w.Header().Set("Connection", "close")
	control, until := http.NewResponseController(w), time.Now().Add(lingering)
	if waits(r) {
		until = time.Unix(1, 0) // the client sends nothing after such an answer
	}
	// Servers read on by themselves when the handler has returned.
	_ = control.SetReadDeadline(until)
	body := r.Body
	return func() {
		if control.Flush() == nil {
			_, _ = io.Copy(io.Discard, body)
		}
	}
}

// waits reports whether the client waits for leave to send the body (RFC 9110
// section 10.1.1).
func waits(r *http.Request) bool {
	return r.ProtoAtLeast(1, 1) && strings.EqualFold(strings.TrimSpace(r.Header.Get("Expect")), "100-continue")
}
