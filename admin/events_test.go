package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type event struct {
	id, name string
	receipt  node.Receipt
}

// listener is a client of the event stream.
type listener struct {
	testing.TB
	*http.Response
	lines *bufio.Scanner
	stop  context.CancelFunc
}

func (g *gateway) listen(server *httptest.Server, after string) *listener {
	g.Helper()
	ctx, stop := context.WithTimeout(g.Context(), time.Minute)
	r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/v1/events", nil)
	if err != nil {
		g.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+readToken)
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		g.Fatal(err)
	}
	return &listener{TB: g.TB, Response: answer, lines: bufio.NewScanner(answer.Body), stop: stop}
}

func (l *listener) close() {
	l.stop()
	l.Body.Close()
}

// next is the next block: an event, or an id alone. ok is false at the end.
func (l *listener) next() (e event, ok bool) {
	l.Helper()
	for l.lines.Scan() {
		field, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.receipt); err != nil {
				l.Errorf("%v: %s", err, value)
			}
		case "":
			if value == "" {
				return e, true
			}
		}
	}
	return e, false
}

func (l *listener) want(id, name, record string) {
	l.Helper()
	if e, ok := l.next(); !ok || e.id != id || e.name != name || e.receipt.ID != record {
		l.Fatalf("got %+v %v, want %s %s %s", e, ok, id, name, record)
	}
}

func TestEvents(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g)
	defer server.Close()
	g.post("/v1/revocations", alice()).want(201)
	l := g.listen(server, "")
	defer l.close()
	if l.StatusCode != 200 || l.Header.Get("Content-Type") != "text/event-stream" || l.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", l.StatusCode, l.Header)
	}
	l.want("1.2", "", "") // where it begins
	g.post("/v1/revocations", alice()).want(201)
	l.want("1.3", "revocation", "rev_1.3.0")
	g.post("/v1/blocks", alice()).want(201)
	l.want("1.4", "block", "blk_1.4.0")
	g.do("DELETE", "/v1/blocks/blk_1.4.0", "").want(200)
	l.want("1.5", "lift", "lft_1.5.0")
	g.post("/v1/step-ups", alice()).want(201)
	l.want("1.6", "step_up", "stp_1.6.0")
	g.imports(line("x") + line("y"))
	l.want("", "revocation", "rev_1.7.0")
	l.want("1.7", "revocation", "rev_1.7.1")

	again := g.listen(server, "1.4")
	defer again.close()
	again.want("1.4", "", "")
	again.want("1.5", "lift", "lft_1.5.0")
	again.want("1.6", "step_up", "stp_1.6.0")
	again.want("", "revocation", "rev_1.7.0")
	again.want("1.7", "revocation", "rev_1.7.1")
	g.post("/v1/revocations", alice()).want(201)
	again.want("1.8", "revocation", "rev_1.8.0")
}

func TestEventsOfALongHistory(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g)
	defer server.Close()
	for range 2*feedBatch + 3 {
		if _, err := g.node.Submit(t.Context(), []revocation.Record{{Type: revocation.Lift, Lifts: revocation.Ref{Item: 1}}}, ledger.Idempotency{}); err != nil {
			t.Fatal(err)
		}
	}
	l := g.listen(server, "1.1")
	defer l.close()
	l.want("1.1", "", "")
	for i := range 2*feedBatch + 3 {
		l.want(fmt.Sprintf("1.%d", i+2), "lift", fmt.Sprintf("lft_1.%d.0", i+2))
	}
}

func TestPositionsThatAreGone(t *testing.T) {
	g := newGateway(t)
	for _, after := range []string{"1.2", "1.9999", "2.1", "2.0", "0.1", "0.0", "9.9"} {
		g.with("Last-Event-ID", after).do("GET", "/v1/events", "").want(410, "position-gone")
	}
	for _, after := range []string{"x", "1", "1.01", "-1.1", "1.1.0", " "} {
		g.with("Last-Event-ID", after).do("GET", "/v1/events", "").want(400, "invalid-request")
	}
	r := g.request("GET", "/v1/events", "")
	r.Header["Last-Event-Id"] = []string{"1.1", "1.1"}
	g.send(r).want(400, "invalid-request")
}

// Nothing was lost before the beginning, so a listener can go on from there.
func TestEventsFromTheBeginning(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g)
	defer server.Close()
	g.post("/v1/revocations", alice()).want(201)
	l := g.listen(server, "1.0")
	defer l.close()
	l.want("1.2", "revocation", "rev_1.2.0") // the genesis signed nobody out
}

// An empty Last-Event-ID is none.
func TestEventsFromNowOn(t *testing.T) {
	g := newGateway(t)
	g.post("/v1/revocations", alice()).want(201)
	r := g.request("GET", "/v1/events", "")
	r.Header["Last-Event-Id"] = []string{""}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if got := g.send(r.WithContext(ctx)).want(200).Body.String(); got != "id: 1.2\n\n" {
		t.Errorf("got %q", got)
	}
}

// first is a ledger that begins with one entry.
type first struct {
	quiet
	revocation.Entry
}

func (f first) Read(_ context.Context, _ revocation.Position, yield func(revocation.Entry) error) error {
	return yield(f.Entry)
}

// Before what is left of a trimmed ledger, or of a later epoch, there was more.
func TestBeginsAfter(t *testing.T) {
	for name, tt := range map[string]struct {
		after revocation.Position
		begin revocation.Type
		want  bool
	}{
		"before the genesis": {revocation.Position{Epoch: 3, Sequence: 8}, revocation.Genesis, true},
		"past a trim":        {revocation.Position{Epoch: 3, Sequence: 8}, revocation.Cut, false},
		"another epoch":      {revocation.Position{Epoch: 2, Sequence: 8}, revocation.Genesis, false},
		"within":             {revocation.Position{Epoch: 3, Sequence: 10}, revocation.Genesis, false},
	} {
		l := first{Entry: revocation.Entry{Position: revocation.Position{Epoch: 3, Sequence: 9}, Records: []revocation.Record{{Type: tt.begin}}}}
		if got, err := beginsAfter(t.Context(), l, tt.after); got != tt.want || err != nil {
			t.Errorf("%s: %t, %v", name, got, err)
		}
	}
}

func TestEventsEndWithTheirNodeAndTheirConfiguration(t *testing.T) {
	for name, end := range map[string]func(*gateway, chan struct{}){
		"node":          func(g *gateway, _ chan struct{}) { _ = g.node.Close() },
		"configuration": func(_ *gateway, done chan struct{}) { close(done) },
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			g := newGateway(t, func(c *Config) { c.Done = done })
			server := httptest.NewServer(g)
			defer server.Close()
			l := g.listen(server, "")
			defer l.close()
			l.want("1.1", "", "")
			end(g, done)
			if e, ok := l.next(); ok {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// quiet is a ledger in which nothing happens.
type quiet struct{ ledger.Ledger }

func (quiet) Head() ledger.Head {
	return ledger.Head{Position: revocation.Position{Epoch: 1, Sequence: 1}}
}
func (quiet) Err() error   { return nil }
func (quiet) Close() error { return nil }

func (quiet) Read(context.Context, revocation.Position, func(revocation.Entry) error) error {
	return nil
}

func TestASilentStreamIsCommentedEvery15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := node.New(node.Config{Name: "n", Instance: "i", Open: func() (ledger.Ledger, error) { return quiet{}, nil }})
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h, err := New(Config{Node: n, Authenticate: Local})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 46*time.Second)
		defer stop()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/v1/events", nil))
		if got := strings.Count(w.Body.String(), ": still here\n\n"); got != 3 {
			t.Errorf("%d comments in 46 s: %q", got, w.Body)
		}
		if !w.Flushed {
			t.Error("nothing was flushed")
		}
		started := time.Now()
		go func() {
			time.Sleep(10 * time.Second)
			_ = n.Close()
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/v1/events", nil))
		if took := time.Since(started); took > 12*time.Second {
			t.Errorf("the stream ended %s after it began, its node closed after 10 s", took)
		}
	})
}

// An event says what is in force. What is durable and not applied is not.
func TestEventsTellWhatIsApplied(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g)
	defer server.Close()
	g.ledger.late = make(chan struct{})
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if r := g.post("/v1/revocations", alice()); r.Code != 201 {
			t.Errorf("%d %s", r.Code, r.Body)
		}
	}()
	for g.ledger.Head().Position.Sequence < 2 {
		time.Sleep(time.Millisecond)
	}
	l := g.listen(server, "1.1")
	defer l.close()
	l.want("1.1", "", "")
	time.AfterFunc(50*time.Millisecond, func() { close(g.ledger.late) })
	e, ok := l.next()
	if !ok || e.receipt.ID != "rev_1.2.0" || e.receipt.Enforcement.State != "enforced" {
		t.Errorf("%+v", e)
	}
	<-answered
}
