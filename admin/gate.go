package admin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/internal/strictjson"
	"curfew.dev/curfew/live"
)

// maxBody is the largest body that is read at once, in bytes.
const maxBody = 1 << 20

// emptyWithin is how long the end of a body may take that must be empty.
const emptyWithin = 500 * time.Millisecond

// ServeHTTP passes a request through the gate to its operation.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := a.Now()
	out := &answer{ResponseWriter: w, unread: r}
	c := &call{id: randomID(), remote: host(r.RemoteAddr), writer: out, operation: "unknown"}
	c.request = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	defer func() {
		if broken := recover(); broken != nil {
			a.broke(c, out, broken)
		}
		if c.leave != nil {
			c.leave()
		}
		a.finish(c, out.status, a.Now().Sub(started))
		if out.linger != nil {
			out.linger()
		}
	}()
	h := out.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Request-Id", c.id)
	route, refused := a.admit(c, started)
	if refused != nil {
		refused.write(out, c)
		return
	}
	route.serve(out, c.request)
}

// admit is the gate: what it lets through has a route, a caller whose role
// suffices for at least the narrowest use of it and whose quota is not used up,
// and a body worth decoding.
func (a *api) admit(c *call, started time.Time) (*route, *Problem) {
	r := c.request
	if p := fromAnotherSite(r); p != nil {
		return nil, p
	}
	found, id := a.router.find(r.URL.EscapedPath())
	if found == nil {
		return nil, notFound.because("no such path")
	}
	t := found[r.Method]
	if t == nil {
		return nil, methodNotAllowed.because("%s can be used here", found.allowed()).with("Allow", found.allowed())
	}
	r.SetPathValue("id", id)
	c.operation = t.op.OperationID
	op := operationOf(t.op)
	if op.role == NoRole {
		return t, nil
	}
	if p := a.identify(c); p != nil {
		return nil, p
	}
	if p := c.needs(op.role); p != nil {
		return nil, p
	}
	if p := a.paysFor(c, op); p != nil {
		return nil, p
	}
	if p := c.takeBody(op); p != nil {
		return nil, p
	}
	if c.body != nil && a.Now().Sub(started) > judgeEvery {
		return t, a.stillLetIn(c) // it may have come slowly
	}
	return t, nil
}

func (a *api) identify(c *call) *Problem {
	caller, err := a.Authenticate(c.request)
	if err == nil {
		c.caller = caller
	}
	return refusalOf(err)
}

// needs refuses a role that is too small.
func (c *call) needs(role Role) *Problem {
	if c.caller.Role >= role {
		return nil
	}
	return forbidden.because("this takes the role %s, the caller has %s", role, c.caller.Role)
}

// takeBody reads and checks the body before anything decodes it.
func (c *call) takeBody(op *operation) *Problem {
	r := c.request
	switch {
	case op.streams:
		if !hasType(r, lineTypes...) {
			return unsupportedType.because("want %s", strings.Join(lineTypes, ", "))
		}
		return nil
	case op.shape == nil:
		return c.refuseBody()
	case r.ContentLength != 0 && !hasType(r, "application/json"):
		return unsupportedType.because("want application/json in UTF-8")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.writer, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge.because("a body may have %d bytes", maxBody)
	case err != nil:
		return invalidRequest.because("the body could not be read to its end")
	}
	if p := wellFormed(body, op.shape); p != nil {
		return p
	}
	c.body, c.writer.unread = body, nil
	r.Header.Set("Content-Type", "application/json") // the framework minds the case
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// lineTypes are the names that lines of JSON go by, the one that is answered
// with first. No page can send them to another site without asking.
var lineTypes = []string{"application/x-ndjson", "application/ndjson", "application/jsonl"}

// hasType reports whether the body is of one of the media types, in UTF-8.
func hasType(r *http.Request, want ...string) bool {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(want, media) {
		return false
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}

// refuseBody is for operations without one. A GET's or HEAD's is ignored, as
// RFC 9110 sections 9.3.1 and 9.3.2 have it.
func (c *call) refuseBody() *Problem {
	if m := c.request.Method; m == http.MethodGet || m == http.MethodHead {
		return nil
	}
	switch n := c.request.ContentLength; {
	case n > 0, n < 0 && (c.request.Header.Get("Expect") != "" || !c.isEmptyBody()):
		return invalidRequest.because("this takes no body")
	}
	return nil
}

// isEmptyBody reports whether a body of unknown length ends at once.
func (c *call) isEmptyBody() bool {
	control := http.NewResponseController(c.writer)
	_ = control.SetReadDeadline(time.Now().Add(emptyWithin))
	if n, err := io.ReadFull(c.request.Body, make([]byte, 1)); n > 0 || err != io.EOF {
		return false
	}
	_ = control.SetReadDeadline(time.Time{})
	return true
}

func wellFormed(document []byte, shape *strictjson.Shape) *Problem {
	var fault *strictjson.Fault
	if errors.As(strictjson.Check(string(document), shape), &fault) {
		return invalidRequest.at(fault.Pointer, "%s", fault.Detail)
	}
	return nil
}

// statusHungUp stands in metrics and audit for a client that did not wait.
const statusHungUp = 499

// finish leaves the audit line: who, what, outcome, from where. Identifiers are
// in the ledger, if anything was written.
func (a *api) finish(c *call, status int, took time.Duration) {
	if status == 0 {
		status = statusHungUp
	}
	a.Observe(c.operation, status, took)
	level := slog.LevelInfo
	if status >= http.StatusBadRequest {
		level = slog.LevelWarn
	}
	a.Log.LogAttrs(c.request.Context(), level, "admin request",
		slog.String("operation", c.operation), slog.Int("status", status), slog.String("problem", c.problem),
		slog.String("caller", c.caller.Name), slog.String("role", c.caller.Role.String()),
		slog.String("source", c.caller.Source), slog.String("remote", c.remote), slog.String("request_id", c.id),
		slog.Duration("took", took))
}

// broke ends a request whose operation panicked. The framework panics when a
// client hangs up while it is answered, too.
func (a *api) broke(c *call, out *answer, broken any) {
	if broken == http.ErrAbortHandler || c.request.Context().Err() != nil {
		return
	}
	a.Log.Error("admin request panicked", "operation", c.operation, "request_id", c.id, "panic", broken)
	if out.status == 0 {
		internalError.because("the gateway's log says more").write(out, c)
	}
}

// host is the address without the port.
func host(remote string) string {
	if h, _, err := net.SplitHostPort(remote); err == nil {
		return h
	}
	return remote
}

// answer notes the status.
type answer struct {
	http.ResponseWriter
	status int
	unread *http.Request // whose body nobody has taken; nil: somebody has
	linger func()        // to be called when a refusal of it is written
}

// WriteHeader notes the final status. A refusal does not wait for the body.
func (w *answer) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
		if status >= http.StatusBadRequest && w.unread != nil {
			w.linger = live.IgnoreBody(w.ResponseWriter, w.unread)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implies 200.
func (w *answer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
