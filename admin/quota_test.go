package admin

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func named(caller string) Caller { return Caller{Source: "admin", Name: caller} }

// writeAllOf takes what a caller may write.
func (g *gateway) writeAllOf(caller string) {
	for g.memory.writes.Take(writeRate, named(caller), g.now()) == 0 {
	}
}

func TestWritesAreLimitedPerCaller(t *testing.T) {
	g := newGateway(t)
	helpdesk := g.as(writeToken)
	g.writeAllOf("helpdesk")
	for method, path := range map[string]string{"POST": "/v1/revocations", "DELETE": "/v1/blocks/blk_1.1.0"} {
		body := ""
		if method == "POST" {
			body = alice()
		}
		r := helpdesk.do(method, path, body).want(429, "too-many-requests")
		if r.Header().Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", r.Header().Get("Retry-After"))
		}
	}
	g.writeAllOf("oncall")
	g.as(glassToken).post("/v1/revocations", alice()).want(429, "too-many-requests")
	if g.count() != 1 {
		t.Errorf("%d records were written", g.count()-1)
	}
	helpdesk.post("/v1/revocations/preview", alice()).want(200)
	helpdesk.post("/v1/revocations/search", "{}").want(200)
	if _, got := helpdesk.imports(line("a")); len(got) != 1 || got[0].Status != 201 {
		t.Errorf("an import: %+v", got)
	}
	g.pass(time.Second / time.Duration(writeRate.PerSecond))
	helpdesk.post("/v1/revocations", alice()).want(201)
	helpdesk.post("/v1/revocations", alice()).want(429)
}

// Who may not write at all uses up nobody's quota.
func TestRefusedCallersPayNothing(t *testing.T) {
	g := newGateway(t)
	for range writeRate.AtOnce {
		g.as(readToken).post("/v1/revocations", "").want(403)
	}
	if g.memory.writes.Callers() != 0 {
		t.Error("refused writes count")
	}
}

func TestImportsAtOnce(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g)
	defer server.Close()
	begin := func(token string) (status int, end func()) {
		body, send := io.Pipe()
		r, _ := http.NewRequest("POST", server.URL+"/v1/revocations/import", body)
		r.Header.Set("Content-Type", "application/x-ndjson")
		r.Header.Set("Authorization", "Bearer "+token)
		go func() {
			for i := range chunkLines + 1 { // the last shows that there are more
				if _, err := io.WriteString(send, line(fmt.Sprint("user", i))); err != nil {
					return // it was refused
				}
			}
		}()
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, func() {
			_ = send.Close()
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}
	var ends []func()
	for n, want := range []int{200, 200, 429} {
		status, end := begin(writeToken)
		ends = append(ends, end)
		if status != want {
			t.Errorf("import %d: %d, want %d", n, status, want)
		}
	}
	status, end := begin(glassToken)
	end()
	if status != 200 {
		t.Errorf("another caller: %d", status)
	}
	ends[2]()
	ends[0]()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		status, end := begin(writeToken)
		end()
		if status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the end of an import made no room")
		}
	}
	ends[1]()
	if n := g.memory.imports.Callers(); n > 1 {
		t.Errorf("slots of %d callers are left taken", n)
	}
}

// What costs something to answer is bounded for each caller, and other callers
// have their own.
func TestAsksAreLimitedPerCaller(t *testing.T) {
	g := newGateway(t)
	asks := []string{
		"/v1/revocations/preview", "/v1/revocations/search", "/v1/blocks/search", "/v1/step-ups/search", "/v1/sessions/search", "/v1/explain",
	}
	for g.memory.asks.Take(askRate, named("dashboards"), g.now()) == 0 {
	}
	all := everyPost()
	for _, path := range asks {
		if r := g.as(readToken).post(path, all[path]).want(429, "too-many-requests"); r.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: Retry-After %q", path, r.Header().Get("Retry-After"))
		}
		g.post(path, all[path]).want(200)
	}
	g.as(readToken).do("GET", "/v1/events", "").want(429, "too-many-requests")
	g.as(readToken).do("GET", "/v1/nodes", "").want(200)
	g.pass(time.Second / time.Duration(askRate.PerSecond))
	g.as(readToken).post(asks[0], all[asks[0]]).want(200)

	for g.memory.asking.Enter(named("dashboards"), askingAtOnce) {
	}
	g.pass(time.Second)
	g.as(readToken).post(asks[0], all[asks[0]]).want(429, "too-many-requests")
	g.post(asks[0], all[asks[0]]).want(200)
	if n := g.memory.asking.Callers(); n != 1 {
		t.Errorf("slots of %d callers are left taken", n)
	}
}

// One reader can't have the streams of all, nor all readers those of others.
func TestStreamsOfEventsAreLimitedPerCaller(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g)
	defer server.Close()
	var streams []*listener
	for n := range feedsAtOnce + 1 {
		l := g.listen(server, "") // as the reader
		defer l.close()
		if want := map[bool]int{true: 200, false: 429}[n < feedsAtOnce]; l.StatusCode != want {
			t.Fatalf("stream %d: %d, want %d", n+1, l.StatusCode, want)
		}
		if streams = append(streams, l); n == feedsAtOnce && l.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	head := func(token string) int { return g.as(token).do("HEAD", "/v1/events", "").Code }
	if got := head(writeToken); got != 200 {
		t.Errorf("another caller: %d", got)
	}
	streams[0].close()
	for deadline := time.Now().Add(time.Minute); head(readToken) != 200; time.Sleep(time.Millisecond) {
		g.pass(time.Second)
		if time.Now().After(deadline) {
			t.Fatal("the end of a stream made no room")
		}
	}
	for g.memory.feeds.Enter(Caller{Name: "read"}, feedsOfARole) {
	}
	if head(readToken) != 429 || head(writeToken) != 200 || head(glassToken) != 200 {
		t.Error("readers take the streams of others, or have no bound")
	}
	if n := g.memory.feeds.Taken(named("dashboards")); n != feedsAtOnce-1 {
		t.Errorf("a refused stream is still counted: %d", n)
	}
}
