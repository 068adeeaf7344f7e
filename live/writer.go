package live

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// errCut is the error that a handler gets after a cut. It is the error of a
// client that went away. For any other error, Caddy's reverse_proxy would blame
// an upstream that did nothing wrong, and with passive health checks it would
// stop using it.
var errCut = context.Canceled

func (q *Request) isCut() bool { return q.end.Load() != nil }

// begin marks the response as begun. It returns false if the request was cut
// before that.
func (q *Request) begin() bool {
	if q.begun.Load() {
		return !q.isCut()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.isCut() {
		return false
	}
	q.begun.Store(true)
	return true
}

// WriteHeader sends the status, unless the request was cut. Then the refusal is
// written after the handler has returned.
func (q *Request) WriteHeader(status int) {
	informational := status >= 100 && status < 200 && status != http.StatusSwitchingProtocols
	if informational && !q.isCut() || !informational && q.begin() {
		q.ResponseWriter.WriteHeader(status)
	}
}

// Write fails after the request was cut. The error ends handlers that do not
// look at their context.
func (q *Request) Write(p []byte) (int, error) {
	if !q.begin() {
		return 0, errCut
	}
	n, err := q.ResponseWriter.Write(p)
	if q.frames != nil {
		q.frames.advance(p[:n])
	}
	return n, err
}

// readChunk is the number of bytes that ReadFrom sends between two checks for a
// cut.
const readChunk = 256 << 10

// ReadFrom copies from a file to the connection without user-space buffers
// where the writer below can. It copies in chunks.
func (q *Request) ReadFrom(r io.Reader) (total int64, err error) {
	below, ok := q.ResponseWriter.(io.ReaderFrom)
	if !ok || q.frames != nil {
		return io.Copy(writerOnly{q}, r)
	}
	// An io.LimitedReader around another one would hide the file from net.
	whole, limited := r.(*io.LimitedReader)
	if limited {
		r = whole.R
	}
	for {
		if !q.begin() {
			return total, errCut
		}
		chunk := io.LimitedReader{R: r, N: readChunk}
		if limited {
			chunk.N = min(chunk.N, whole.N)
		}
		want := chunk.N
		n, err := below.ReadFrom(&chunk)
		total += n
		if limited {
			whole.N -= n
		}
		if err != nil || n < want || limited && whole.N == 0 {
			return total, err
		}
	}
}

type writerOnly struct{ io.Writer }

// FlushError sends buffered data. It fails after the request was cut.
func (q *Request) FlushError() error {
	if !q.begin() {
		return errCut
	}
	return http.NewResponseController(q.ResponseWriter).Flush()
}

// Push starts an HTTP/2 server push.
func (q *Request) Push(target string, opts *http.PushOptions) error {
	if pusher, ok := q.ResponseWriter.(http.Pusher); ok && !q.isCut() {
		return pusher.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap returns the response writer below, for [http.ResponseController].
func (q *Request) Unwrap() http.ResponseWriter { return q.ResponseWriter }

// Hijack hands the connection over. The request stays live until the connection
// is closed.
func (q *Request) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if q.isCut() {
		return nil, nil, errCut
	}
	inner, rw, err := http.NewResponseController(q.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	c := &conn{Conn: inner, q: q}
	q.mu.Lock()
	q.conn = c
	q.begun.Store(true)
	cut := q.isCut()
	q.mu.Unlock()
	if cut {
		_ = inner.SetDeadline(past)
	}
	if rw.Writer.Buffered() == 0 {
		rw.Writer.Reset(c)
	}
	if half, ok := inner.(closeWriter); ok {
		return &halfConn{c, half}, rw, nil
	}
	return c, rw, nil
}

// past is a deadline in the past. Setting it ends reads and writes that wait.
var past = time.Unix(1, 0)

// body is the body of a live request.
type body struct {
	io.ReadCloser
	q *Request
}

// Read replaces an error that the cut has caused with errCut.
func (b *body) Read(p []byte) (int, error) {
	if b.q.isCut() {
		return 0, errCut
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && b.q.isCut() {
		err = errCut
	}
	return n, err
}
