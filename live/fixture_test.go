package live_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"curfew.dev/curfew/live"
	"curfew.dev/curfew/revocation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const issuer = "https://login.example.com"

func alice() revocation.Target { return revocation.Target{Issuer: issuer, Subject: "alice"} }

func credential(subject string) *revocation.Credential {
	c := &revocation.Credential{
		Issuer: issuer, Subject: subject, Client: "web", Session: "sid-" + subject, Tenant: "contoso", TokenID: "jti", IssuedAt: 1, ExpiresAt: 2,
	}
	c.Seal()
	return c
}

// handler makes a function a live.Handler.
type handler func(http.ResponseWriter, *http.Request) error

func (f handler) ServeHTTP(w http.ResponseWriter, r *http.Request) error { return f(w, r) }

// verdicts is a judge with fixed answers.
type verdicts struct {
	mu      sync.Mutex
	refused bool
	because map[live.Cause]string
}

func (v *verdicts) refuse() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refused = true
}

func (v *verdicts) Judge(c live.Cause) *live.Refusal {
	v.mu.Lock()
	defer v.mu.Unlock()
	reason := v.because[c]
	if c == live.Changed && v.refused {
		reason = "signed-out"
	}
	if reason == "" {
		return nil
	}
	return &live.Refusal{Reason: reason, Status: 401, Write: func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(401)
		_, err := io.WriteString(w, reason)
		return err
	}}
}

// record is an observer that keeps the events.
type record struct {
	mu      sync.Mutex
	reasons []string
	ended   []live.Protocol
	late    bool // one ended too late for a farewell
	overdue int
}

func (o *record) Cut(reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reasons = append(o.reasons, reason)
}

func (o *record) Ended(p live.Protocol, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, p)
	o.late = o.late || took >= live.PoliteFor
}

func (o *record) Overdue(live.Protocol, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.overdue++
}

// edge is a server whose requests are live. X-Subject names the subject.
type edge struct {
	*httptest.Server
	live.Registry
	record  record
	judge   map[string]*verdicts
	terms   func(*live.Terms)
	entered chan struct{} // one for each request that reached its handler
	left    chan error    // one for each handler that returned
}

func newEdge(t *testing.T, next handler) *edge {
	t.Helper()
	e := &edge{
		judge: map[string]*verdicts{"alice": {}, "bob": {}}, entered: make(chan struct{}, 100), left: make(chan error, 100),
		terms: func(*live.Terms) {},
	}
	e.Observer = &e.record
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subject := r.Header.Get("X-Subject")
		terms := live.Terms{Credential: credential(subject), Judge: e.judge[subject]}
		e.terms(&terms)
		var err error
		defer func() { e.left <- err }()
		w.Header().Set("Server", "edge")
		err = e.Serve(w, r, terms, handler(func(w http.ResponseWriter, r *http.Request) error {
			e.entered <- struct{}{}
			return next(w, r)
		}))
	}))
	e.Config.Protocols = new(http.Protocols)
	e.Config.Protocols.SetHTTP1(true)
	e.Config.Protocols.SetUnencryptedHTTP2(true)
	e.Start()
	t.Cleanup(e.Close)
	return e
}

// client speaks one version of HTTP.
func client(t *testing.T, version int) *http.Client {
	t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	tr.Protocols.SetHTTP1(version == 1)
	tr.Protocols.SetUnencryptedHTTP2(version == 2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func (e *edge) request(t *testing.T, subject string, body io.Reader) *http.Request {
	t.Helper()
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequest(method, e.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Subject", subject)
	return r
}

func (e *edge) awaitEntered(t *testing.T, n int) {
	t.Helper()
	for range n {
		await(t, e.entered)
	}
}

// inTime repeats a test of a farewell until the handler has returned in time
// for it. On a busy machine a handler may return too late, and then there is no
// farewell.
func inTime(t *testing.T, try func() *edge) {
	t.Helper()
	for range 20 {
		if !try().tooLate() {
			return
		}
	}
	t.Error("the handler never came back in time")
}

// tooLate reports whether a handler returned after its time for a farewell.
func (e *edge) tooLate() bool {
	e.record.mu.Lock()
	defer e.record.mu.Unlock()
	return e.record.late
}

// patience is the time limit for an expected event. It is longer than a busy
// machine needs.
const patience = time.Minute

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// cutAlice refuses alice from now on.
func (e *edge) cutAlice(t *testing.T, want int) {
	t.Helper()
	e.judge["alice"].refuse()
	if n := e.Cut(alice()); n != want {
		t.Errorf("%d requests were cut, want %d", n, want)
	}
}

// stream writes until the client disconnects.
func stream(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		if _, err := io.WriteString(w, "data: x\n\n"); err != nil {
			return err
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		select {
		case <-r.Context().Done():
			return r.Context().Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// aborted reports whether a client's error means an incomplete response.
func aborted(err error) bool {
	return err != nil && !errors.Is(err, context.DeadlineExceeded)
}
