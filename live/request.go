package live

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/revocation"
)

// Handler answers an admitted request. It is an http.Handler that may return an
// error.
type Handler interface {
	ServeHTTP(w http.ResponseWriter, r *http.Request) error
}

// Terms are the conditions under which a request was admitted.
type Terms struct {
	// Credential is the sealed credential. Required.
	Credential *revocation.Credential
	// Judge decides again whenever the request may have to end. Required.
	Judge Judge
	// Controller sets the deadlines of the connection itself. Other goroutines
	// may use it, unlike the controllers of the response writers around it.
	// Nil: the response writer's own.
	Controller *http.ResponseController
	// Expires is the time at which the credential expires. Decays is the time at
	// which its sign-in is too long ago for the route. Until is the time at which
	// the request has reached its largest age. Zero: never.
	Expires, Decays, Until time.Time
}

// Judge decides again about one admitted request. It is called from several
// goroutines, and may be called after the request has ended.
type Judge interface {
	// Judge returns the refusal of the request for a cause. Nil: the request
	// goes on.
	Judge(Cause) *Refusal
}

// Cause is the reason for judging a live request again.
type Cause uint8

// The causes.
const (
	// Changed means that a record which matches the credential was written.
	Changed Cause = iota
	// Expired means that Terms.Expires has passed.
	Expired
	// Decayed means that Terms.Decays has passed.
	Decayed
	// Aged means that Terms.Until has passed.
	Aged
	// Unready means that the gateway can't vouch for any credential.
	Unready
	// Stopping means that the gateway is about to stop.
	Stopping

	numCauses
)

// Refusal describes the end of a request that was cut.
type Refusal struct {
	// Reason is a label of metrics. It must be one of a few values.
	Reason string
	// Status is the HTTP status of the refusal. The status of gRPC is derived
	// from it.
	Status int
	// CloseCode is the status code of a WebSocket's close frame (RFC 6455
	// section 7.4). Zero: 1008, policy violation.
	CloseCode uint16
	// Write answers a request whose response had not begun. Required.
	Write func(http.ResponseWriter, *http.Request) error
	// Note is called for every request that was cut, once its handler has
	// returned. It runs in the handler's goroutine, before the answer is
	// written. Nil: it is not called.
	Note func(*http.Request)
}

// Request is one live request: its response writer, its body, and the state
// that ends it.
type Request struct {
	http.ResponseWriter // the response writer that came with the request

	registry   *Registry
	request    *http.Request // as it came, with its own context
	credential *revocation.Credential
	controller *http.ResponseController
	lifetime   lifetime
	body       body
	protocol   Protocol
	kept       names

	// end is set once, when the request is cut.
	end atomic.Pointer[end]

	// mu orders three events: the beginning of the response, the cut and the
	// return of the handler. The connection no longer belongs to the request
	// once the handler has returned.
	mu       sync.Mutex
	judge    Judge
	begun    atomic.Bool // written under mu
	returned bool
	severed  bool // the response may have lost bytes that were written
	conn     *conn
	frames   *frames // of a WebSocket over HTTP/2 or 3

	// The fields below belong to the shard, under its lock.
	shard          *shard
	next, previous *Request
	deadline       int64 // Unix nanoseconds, 0: none
	due            Cause // cause that applies at the deadline
}

type end struct {
	*Refusal
	at time.Time
}

// Serve calls next to answer an admitted request and returns its error. A
// request that is refused meanwhile ends as its first refusal demands. Serve
// judges the request again once it is registered, because no record that was
// written since its admission has cut it.
//
// If the request is cut after its response has begun, Serve may panic with
// [http.ErrAbortHandler], which tells net/http and similar servers to abort the
// stream.
func (g *Registry) Serve(w http.ResponseWriter, r *http.Request, t Terms, next Handler) error {
	return g.ServeIn(new(Request), w, r, t, next)
}

// ServeIn is [Registry.Serve] with memory for the request. It saves an
// allocation for a caller that allocates for the request anyway. The value must
// be zero, and must never be used again.
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

// Narrow puts the request under further terms. The new judge replaces the
// earlier one, and the earlier of the two deadlines applies. Only the request's
// handler may call it. If it returns false, the request was refused and cut,
// and the handler should return.
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
	var first time.Time
	due := Changed
	sooner := func(at time.Time, c Cause) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first, due = at, c
		}
	}
	sooner(t.Expires, Expired)
	sooner(t.Decays, Decayed)
	sooner(t.Until, Aged)
	if first.IsZero() {
		return 0, due
	}
	return first.UnixNano(), due
}

// leave is deferred around the handler, so it also runs when the handler
// aborts. It recovers no other panic than [http.ErrAbortHandler].
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
	if q.conn == nil { // a hijacked connection sends its own close frame
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
		*err = q.conclude(end.Refusal, severed)
	}
}

// over removes the request from the registry.
func (q *Request) over() {
	q.shard.remove(q)
	q.lifetime.end()
	if end := q.end.Load(); end != nil {
		q.registry.observer().Ended(q.protocol, time.Since(end.at))
	}
}

// conclude answers a request that was cut, or ends its response. It runs in the
// goroutine of the handler.
func (q *Request) conclude(why *Refusal, severed bool) error {
	switch {
	case !q.begun.Load():
		q.kept.restore(q.Header())
		if q.request.ProtoMajor == 1 {
			// Do not read the rest of the body.
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

// names are the headers that were set before the handler was called. A refusal
// removes the headers that the handler has set since.
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
