package live

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/revocation"
)

// Handler is what an admitted request goes on to: an http.Handler that may
// fail.
type Handler interface {
	ServeHTTP(w http.ResponseWriter, r *http.Request) error
}

// Terms are on what a request was admitted.
type Terms struct {
	// Credential is the sealed credential. Required.
	Credential *revocation.Credential
	// Judge is asked whenever the request may have to end. Required.
	Judge Judge
	// Controller reaches the deadlines of the connection itself. Unlike those
	// of the writers around it, they may be set from other goroutines. Nil: the
	// response writer's own.
	Controller *http.ResponseController
	// Expires is when the credential ends, and Until when the request has
	// lasted long enough. Zero: never.
	Expires, Until time.Time
}

// Judge decides anew about one admitted request. It is called from several
// goroutines, also when the request has ended meanwhile.
type Judge interface {
	// Judge says how the request fares now that something has come about. Nil:
	// it goes on.
	Judge(Cause) *Refusal
}

// Cause is what may end a live request.
type Cause uint8

// The causes.
const (
	// Changed: something that matches the credential was written.
	Changed Cause = iota
	// Expired: Terms.Expires has passed.
	Expired
	// Aged: Terms.Until has passed.
	Aged
	// Unready: the gateway can't vouch for any credential.
	Unready
	// Stopping: the gateway is about to be gone.
	Stopping
)

// Refusal is how a request ends that was cut.
type Refusal struct {
	// Reason is a label of metrics: one of few.
	Reason string
	// Status is the HTTP status of the refusal, and tells gRPC its own.
	Status int
	// CloseCode is that of a WebSocket's close frame (RFC 6455 section 7.4).
	// Zero: 1008, policy violation.
	CloseCode uint16
	// Write answers a request whose response had not begun. Required.
	Write func(http.ResponseWriter, *http.Request) error
	// Note is called with every request that was cut once its handler has
	// returned, in the same goroutine, before the answer. Nil: it is not.
	Note func(*http.Request)
}

// Request is one live request: its response writer, its body, and the means to
// end it.
type Request struct {
	http.ResponseWriter // the one it came with

	registry   *Registry
	request    *http.Request // as it came, with the context it came with
	credential *revocation.Credential
	controller *http.ResponseController
	lifetime   lifetime
	body       body
	protocol   Protocol
	kept       names

	// end is set once, when the request is cut.
	end atomic.Pointer[end]

	// mu orders the beginning of the response, the cut and the return of the
	// handler: once it has returned, the connection belongs to somebody else.
	mu       sync.Mutex
	judge    Judge
	begun    atomic.Bool // written under mu
	returned bool
	severed  bool // what was written may not have arrived whole
	conn     *conn
	frames   *frames // of a WebSocket over HTTP/2 or 3

	// Owned by the shard.
	shard          *shard
	next, previous *Request
	deadline       int64 // Unix nanoseconds, 0: none
	due            Cause // of the deadline
}

type end struct {
	*Refusal
	at time.Time
}

// Serve has next answer an admitted request and returns its error, or ends the
// request as the first refusal demands. The request is judged again once it is
// registered: what was written between its admission and now has not cut it.
//
// A response that was cut after it had begun ends in a panic with
// [http.ErrAbortHandler], which is how net/http and those like it are told to
// abort a stream.
func (g *Registry) Serve(w http.ResponseWriter, r *http.Request, t Terms, next Handler) error {
	return g.ServeIn(new(Request), w, r, t, next)
}

// ServeIn is [Registry.Serve] with room for the request, which must be zero and
// is never to be used again: whoever has to allocate for the request anyway
// saves an allocation.
func (g *Registry) ServeIn(q *Request, w http.ResponseWriter, r *http.Request, t Terms, next Handler) (err error) {
	q.ResponseWriter, q.registry, q.request, q.protocol = w, g, r, protocolOf(r)
	q.credential, q.judge, q.controller = t.Credential, t.Judge, t.Controller
	if q.protocol == WebSocket && r.ProtoMajor > 1 {
		q.frames = new(frames)
	}
	q.deadline, q.due = t.deadline()
	q.kept.note(w.Header())
	q.lifetime.Context = r.Context()
	r = r.WithContext(&q.lifetime)
	if r.Body != nil && r.Body != http.NoBody {
		q.body = body{r.Body, q}
		r.Body = &q.body
	}
	g.add(q)
	defer q.leave(&err)
	if refusal := t.Judge.Judge(Changed); refusal != nil {
		q.cutFor(refusal)
		return nil
	}
	return next.ServeHTTP(q, r)
}

// Narrow puts the request, whose handler must be the caller, on further terms:
// what judged it so far is replaced, and the earlier deadline counts. False: the
// request is refused by them and cut, and the handler should return.
func (q *Request) Narrow(t Terms) bool {
	q.mu.Lock()
	q.judge = t.Judge
	q.mu.Unlock()
	if at, due := t.deadline(); at != 0 {
		q.shard.hasten(q, at, due)
	}
	q.face(Changed)
	return !q.isCut()
}

func (t *Terms) deadline() (int64, Cause) {
	switch {
	case t.Expires.IsZero() && t.Until.IsZero():
		return 0, Changed
	case t.Expires.IsZero(), !t.Until.IsZero() && t.Until.Before(t.Expires):
		return t.Until.UnixNano(), Aged
	}
	return t.Expires.UnixNano(), Expired
}

// leave is deferred around the handler: also when it aborts, and without
// recovering any other panic.
func (q *Request) leave(err *error) {
	q.mu.Lock()
	q.returned = true
	open := q.conn != nil && !q.conn.closed
	severed := q.severed
	q.mu.Unlock()
	if !open {
		q.over()
	}
	end := q.end.Load()
	if end == nil {
		return
	}
	if end.Note != nil {
		end.Note(q.request)
	}
	if q.conn == nil { // a hijacked connection has its own last words
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
		*err = q.conclude(end.Refusal, severed)
	}
}

// over forgets the request.
func (q *Request) over() {
	q.shard.remove(q)
	q.lifetime.end()
	if end := q.end.Load(); end != nil {
		q.registry.observer().Ended(q.protocol, time.Since(end.at))
	}
}

// conclude gives a request that was cut its last words, in the goroutine of its
// handler.
func (q *Request) conclude(why *Refusal, severed bool) error {
	switch {
	case !q.begun.Load():
		q.kept.restore(q.Header())
		if q.request.ProtoMajor == 1 {
			// What is left of the body is not waited for.
			q.Header().Set("Connection", "close")
		}
		return why.Write(q.ResponseWriter, q.request)
	case !severed && q.farewell(why):
		return nil
	case !q.request.ProtoAtLeast(1, 1):
		q.reset()
	}
	panic(http.ErrAbortHandler)
}

// names are the headers that were set before the handler was called. Those
// that it had set by the time it was cut are not for the refusal.
type names struct {
	few  [4]string
	n    int
	more []string
}

func (k *names) note(h http.Header) {
	for name := range h {
		if k.n < len(k.few) {
			k.few[k.n] = name
			k.n++
			continue
		}
		k.more = append(k.more, name)
	}
}

func (k *names) restore(h http.Header) {
	for name := range h {
		if !contains(k.few[:k.n], name) && !contains(k.more, name) {
			delete(h, name)
		}
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
