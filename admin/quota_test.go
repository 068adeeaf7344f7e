package admin

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	one   = callerKey{"admin", "one"}
	other = callerKey{"admin", "other"}
)

// spend takes until something is refused, and returns how often it could.
func spend(q *quota, of callerKey, now time.Time) (taken int, wait time.Duration) {
	for {
		if wait = q.take(writeRate, of, now); wait > 0 {
			return taken, wait
		}
		taken++
	}
}

func TestQuota(t *testing.T) {
	var q quota
	now := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		name  string
		after time.Duration
		of    callerKey
		want  int
	}{
		{"at once", 0, one, writesAtOnce},
		{"nothing is left", 0, one, 0},
		{"another caller has its own", 0, other, writesAtOnce},
		{"not yet", time.Second/writesPerSecond - 1, one, 0},
		{"one", 1, one, 1},
		{"a second", time.Second, one, writesPerSecond},
		{"a day is worth no more than a burst", 24 * time.Hour, one, writesAtOnce},
		{"a clock set back by a year", -365 * 24 * time.Hour, one, 0},
		{"locks out for no longer than a burst takes", time.Duration(writesAtOnce) * time.Second / writesPerSecond, one, writesAtOnce},
	} {
		now = now.Add(step.after)
		got, wait := spend(&q, step.of, now)
		if got != step.want {
			t.Errorf("%s: %d writes, want %d", step.name, got, step.want)
		}
		if wait <= 0 || wait > time.Second/writesPerSecond {
			t.Errorf("%s: told to wait %s", step.name, wait)
		}
	}
}

// However calls fall, no span has more of them than a burst and its share.
func TestQuotaHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q quota
		now := time.Unix(1_800_000_000, 0)
		began, taken := now, 0
		for range rapid.IntRange(1, 20).Draw(t, "turns") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "pause")))
			for range rapid.IntRange(0, 2*writesAtOnce).Draw(t, "calls") {
				if q.take(writeRate, one, now) == 0 {
					taken++
				}
			}
			if most := writesAtOnce + int(now.Sub(began)/writeRate.interval); taken > most {
				t.Fatalf("%d writes in %s, want %d at most", taken, now.Sub(began), most)
			}
		}
	})
}

// Tokens of a provider may name any number of callers: none is kept for long.
func TestQuotaForgets(t *testing.T) {
	var q quota
	now := time.Unix(1_800_000_000, 0)
	for i := range 10 * manyCallers {
		q.take(writeRate, callerKey{"admin", fmt.Sprint(i)}, now)
		now = now.Add(writeRate.interval)
	}
	if n := len(q.full); n > manyCallers {
		t.Errorf("%d callers are remembered", n)
	}
}

func TestWritesAreLimitedPerCaller(t *testing.T) {
	g := newGateway(t)
	helpdesk := g.as(writeToken)
	spend(&g.memory.writes, callerKey{"admin", "helpdesk"}, g.now())
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
	spend(&g.memory.writes, callerKey{"admin", "oncall"}, g.now())
	g.as(glassToken).post("/v1/revocations", alice()).want(429, "too-many-requests")
	if g.count() != 1 {
		t.Errorf("%d records were written", g.count()-1)
	}
	helpdesk.post("/v1/revocations/preview", alice()).want(200)
	helpdesk.post("/v1/revocations/search", "{}").want(200)
	if _, got := helpdesk.imports(line("a")); len(got) != 1 || got[0].Status != 201 {
		t.Errorf("an import: %+v", got)
	}
	g.pass(time.Second / writesPerSecond)
	helpdesk.post("/v1/revocations", alice()).want(201)
	helpdesk.post("/v1/revocations", alice()).want(429)
}

// Who may not write at all uses up nobody's quota.
func TestRefusedCallersPayNothing(t *testing.T) {
	g := newGateway(t)
	for range writesAtOnce {
		g.as(readToken).post("/v1/revocations", "").want(403)
	}
	if len(g.memory.writes.full) != 0 {
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
	if len(g.memory.imports.taken) > 1 {
		t.Errorf("lanes are left taken: %v", g.memory.imports.taken)
	}
}

// What costs something to answer is bounded for each caller, and other callers
// have their own.
func TestAsksAreLimitedPerCaller(t *testing.T) {
	g := newGateway(t)
	asks := []string{
		"/v1/revocations/preview", "/v1/revocations/search", "/v1/blocks/search", "/v1/step-ups/search", "/v1/sessions/search", "/v1/explain",
	}
	for g.memory.asks.take(askRate, callerKey{"admin", "dashboards"}, g.now()) == 0 {
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
	g.pass(time.Second / asksPerSecond)
	g.as(readToken).post(asks[0], all[asks[0]]).want(200)

	for g.memory.asking.enter(callerKey{"admin", "dashboards"}, askingAtOnce) {
	}
	g.pass(time.Second)
	g.as(readToken).post(asks[0], all[asks[0]]).want(429, "too-many-requests")
	g.post(asks[0], all[asks[0]]).want(200)
	if n := len(g.memory.asking.taken); n != 1 {
		t.Errorf("lanes are left taken: %v", g.memory.asking.taken)
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
	for g.memory.feeds.enter(callerKey{name: "read"}, feedsOfARole) {
	}
	if head(readToken) != 429 || head(writeToken) != 200 || head(glassToken) != 200 {
		t.Error("readers take the streams of others, or have no bound")
	}
	if n := g.memory.feeds.taken[callerKey{"admin", "dashboards"}]; n != feedsAtOnce-1 {
		t.Errorf("a refused stream is still counted: %d", n)
	}
}
