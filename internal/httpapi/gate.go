package httpapi

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
	"curfew.dev/curfew/internal/unread"
)

// MaxBody is the largest body that is read at once, in bytes.
const MaxBody = 1 << 20

// emptyWithin is how long the end of a body may take that must be empty.
const emptyWithin = 500 * time.Millisecond

// ServeHTTP passes a request through the gate to its operation.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := a.cfg.Now()
	out := &answer{ResponseWriter: w, unread: r}
	c := &Call{ID: randomID(), Remote: host(r.RemoteAddr), Writer: out, answer: out, api: a, operation: "unknown"}
	c.Request = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	defer func() {
		if broken := recover(); broken != nil {
			a.broke(c, out, broken)
		}
		if c.release != nil {
			c.release()
		}
		a.finish(c, out.status, a.cfg.Now().Sub(started))
		if out.linger != nil {
			out.linger()
		}
	}()
	h := out.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Request-Id", c.ID)
	route, refused := a.admit(c, started)
	if refused != nil {
		c.Refuse(refused)
		return
	}
	route.serve(out, c.Request)
}

// admit is the gate. A request that passes it has a route, a caller whose role
// suffices for at least the narrowest use of the operation and whose quota is
// not used up, and a body that can be decoded.
func (a *API) admit(c *Call, started time.Time) (*route, *Problem) {
	r := c.Request
	if p := fromAnotherSite(r); p != nil {
		return nil, p
	}
	found, id := a.router.find(r.URL.EscapedPath())
	if found == nil {
		return nil, NotFound.Because("no such path")
	}
	t := found[r.Method]
	if t == nil {
		return nil, MethodNotAllowed.Because("%s can be used here", found.allowed()).With("Allow", found.allowed())
	}
	r.SetPathValue("id", id)
	c.operation = t.op.OperationID
	op := operationOf(t.op)
	if op.Role == NoRole {
		return t, nil
	}
	if p := a.identify(c); p != nil {
		return nil, p
	}
	if p := c.Needs(op.Role); p != nil {
		return nil, p
	}
	if op.Bound != nil {
		release, p := op.Bound(c)
		if p != nil {
			return nil, p
		}
		c.release = release
	}
	if p := c.takeBody(op); p != nil {
		return nil, p
	}
	if c.Body != nil && a.cfg.Now().Sub(started) > JudgeEvery {
		return t, c.StillLetIn() // the body may have come slowly
	}
	return t, nil
}

func (a *API) identify(c *Call) *Problem {
	caller, err := a.cfg.Authenticate(c.Request)
	if err == nil {
		c.Caller = caller
	}
	return refusalOf(err)
}

// Needs refuses a caller whose role is smaller.
func (c *Call) Needs(role Role) *Problem {
	if c.Caller.Role >= role {
		return nil
	}
	return Forbidden.Because("this takes the role %s, the caller has %s", role, c.Caller.Role)
}

// takeBody reads and checks the body before anything decodes it.
func (c *Call) takeBody(op *Operation) *Problem {
	r := c.Request
	switch {
	case op.Takes != nil:
		if !hasType(r, op.Takes.Media...) {
			return UnsupportedType.Because("want %s", strings.Join(op.Takes.Media, ", "))
		}
		return nil
	case op.body == nil:
		return c.refuseBody()
	case r.ContentLength != 0 && !hasType(r, "application/json"):
		return UnsupportedType.Because("want application/json in UTF-8")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, r.Body, MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return TooLarge.Because("a body may have %d bytes", MaxBody)
	case err != nil:
		return InvalidRequest.Because("the body could not be read to its end")
	}
	if p := wellFormed(body, op.body); p != nil {
		return p
	}
	c.Body, c.answer.unread = body, nil
	r.Header.Set("Content-Type", "application/json") // the framework minds the case
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

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
func (c *Call) refuseBody() *Problem {
	if m := c.Request.Method; m == http.MethodGet || m == http.MethodHead {
		return nil
	}
	switch n := c.Request.ContentLength; {
	case n > 0, n < 0 && (c.Request.Header.Get("Expect") != "" || !c.isEmptyBody()):
		return InvalidRequest.Because("this takes no body")
	}
	return nil
}

// isEmptyBody reports whether a body of unknown length ends at once.
func (c *Call) isEmptyBody() bool {
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Now().Add(emptyWithin))
	if n, err := io.ReadFull(c.Request.Body, make([]byte, 1)); n > 0 || err != io.EOF {
		return false
	}
	_ = control.SetReadDeadline(time.Time{})
	return true
}

func wellFormed(document []byte, shape *strictjson.Shape) *Problem {
	var fault *strictjson.Fault
	if errors.As(strictjson.Check(string(document), shape), &fault) {
		return InvalidRequest.At(fault.Pointer, "%s", fault.Detail)
	}
	return nil
}

// statusHungUp stands in metrics and audit for a client that did not wait.
const statusHungUp = 499

// finish leaves the audit line: who, what, outcome, from where. Identifiers are
// in the ledger, if anything was written.
func (a *API) finish(c *Call, status int, took time.Duration) {
	if status == 0 {
		status = statusHungUp
	}
	a.cfg.Observe(c.operation, status, took)
	level := slog.LevelInfo
	if status >= http.StatusBadRequest {
		level = slog.LevelWarn
	}
	a.cfg.Log.LogAttrs(c.Request.Context(), level, a.cfg.Name+" request",
		slog.String("operation", c.operation), slog.Int("status", status), slog.String("problem", c.problem),
		slog.String("caller", c.Caller.Name), slog.String("role", c.Caller.Role.String()),
		slog.String("source", c.Caller.Source), slog.String("remote", c.Remote), slog.String("request_id", c.ID),
		slog.Duration("took", took))
}

// broke ends a request whose operation panicked. The framework panics when a
// client hangs up while it is answered, too.
func (a *API) broke(c *Call, out *answer, broken any) {
	if broken == http.ErrAbortHandler || c.Request.Context().Err() != nil {
		return
	}
	a.cfg.Log.Error(a.cfg.Name+" request panicked", "operation", c.operation, "request_id", c.ID, "panic", broken)
	if out.status == 0 {
		c.Refuse(Internal.Because("the gateway's log says more"))
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
			w.linger = unread.Ignore(w.ResponseWriter, w.unread)
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
