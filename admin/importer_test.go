package admin

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

func (g *gateway) imports(body string) (*reply, []imported) {
	g.Helper()
	r := g.as(writeToken).with("Content-Type", "application/x-ndjson").post("/v1/revocations/import", body)
	if r.Code != 200 {
		return r, nil
	}
	if ct := r.Header().Get("Content-Type"); ct != "application/x-ndjson" {
		g.Errorf("content type %q", ct)
	}
	var results []imported
	for d := json.NewDecoder(r.Body); ; {
		var line imported
		if err := d.Decode(&line); err == io.EOF {
			return r, results
		} else if err != nil {
			g.Fatal(err)
		}
		results = append(results, line)
	}
}

func line(subject string) string { return onTargetOf("iss", issuer, "sub", subject) + "\n" }

func TestImport(t *testing.T) {
	g := newGateway(t)
	long := `{"target":{"iss":"` + issuer + `","sub":"a"},"reason":"` + strings.Repeat("x", maxLine) + `"}`
	_, got := g.imports(line("a") +
		"hello\n" +
		"\n" +
		`{"target":{"iss":"` + issuer + `","sub":"b"},"seq":1}` + "\n" +
		`{"target":{"iss":"https://nowhere.example","sub":"b"}}` + "\r\n" +
		onTargetOf("iss", issuer) + "\n" +
		long + "\n" +
		`{"target":{"iss":"` + issuer + `","sub":""}}` + "\n" +
		`{"target":{"iss":"` + issuer + `","sub":null}}` + "\n" +
		`{"target":{"iss":"` + issuer + `","sub":"c"},"mode":"forever"}` + "\n" +
		`{"target":{"iss":"` + issuer + `","sub":"c"},"mode":"refresh"}` + "\r\n" +
		strings.TrimSuffix(line("d"), "\n"))
	want := []string{
		"1 201 ", "2 400 invalid-request", "4 400 invalid-request", "5 422 unknown-issuer", "6 409 preview-required", "7 413 too-large",
		"8 422 invalid-request", "9 400 invalid-request", "10 422 invalid-request", "11 201 ", "12 201 ",
	}
	if len(got) != len(want) {
		t.Fatalf("%d results: %+v", len(got), got)
	}
	for i, r := range got {
		problem := ""
		if r.Problem != nil {
			problem = r.Problem.Name()
			if r.Problem.RequestID == "" {
				t.Errorf("line %d: no request id", r.Line)
			}
		}
		if line := fmt.Sprint(r.Line, " ", r.Status, " ", problem); line != want[i] {
			t.Errorf("got %q, want %q: %+v", line, want[i], r.Problem)
		}
	}
	for _, r := range []imported{got[0], got[9], got[10]} {
		receipt := g.do("GET", "/v1/revocations/"+r.ID, "").want(200).receipt()
		if receipt.Position != r.Position || receipt.Actor != "helpdesk" {
			t.Errorf("%+v", receipt)
		}
	}
	if got[10].ID != "rev_1.2.2" {
		t.Errorf("the last is %s", got[10].ID)
	}
	if n := g.count(); n != 4 {
		t.Errorf("%d records", n)
	}
	for _, subject := range []string{"a", "c", "d"} {
		if !g.refused(revocation.Credential{Issuer: issuer, Subject: subject}) {
			t.Errorf("%s is admitted", subject)
		}
	}
}

func TestImportOfNothing(t *testing.T) {
	g := newGateway(t)
	for _, body := range []string{"\n", "\n\r\n\n"} {
		if r, got := g.imports(body); r.Code != 200 || len(got) != 0 {
			t.Errorf("%q: %d %v", body, r.Code, got)
		}
	}
}

func TestImportInChunks(t *testing.T) {
	g := newGateway(t)
	var body strings.Builder
	for i := range 2*chunkLines + 1 {
		body.WriteString(line(fmt.Sprint("user", i)))
		if i == 5 {
			body.WriteString("hello\n")
		}
	}
	keyed := g.with("Idempotency-Key", "import")
	first, results := keyed.imports(body.String())
	if len(results) != 2*chunkLines+2 {
		t.Fatalf("%d results: %s", len(results), first.Body)
	}
	for i, r := range results {
		if r.Line != i+1 || (r.Status == 201) != (i != 6) {
			t.Fatalf("result %d: %+v", i, r)
		}
	}
	if results[999].Position != "1.2" || results[1000].Position != "1.3" || results[2001].ID != "rev_1.4.1" {
		t.Errorf("positions %s, %s, the last %s", results[999].Position, results[1000].Position, results[2001].ID)
	}
	n := g.count()
	if n != 2*chunkLines+2 {
		t.Errorf("%d records", n)
	}
	if _, again := keyed.imports(body.String()); fmt.Sprint(again[2001]) != fmt.Sprint(results[2001]) || again[999].ID != results[999].ID {
		t.Errorf("again %+v", again[2001])
	}
	if g.count() != n {
		t.Error("a repeated import was written")
	}
}

// An import that is repeated says so; another one under its key takes no effect,
// wherever it differs.
func TestImportsAndTheirKey(t *testing.T) {
	g := newGateway(t)
	users := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(fmt.Sprint("user", i)))
		}
		return b.String()
	}
	const more = chunkLines + 10
	refused := strings.Repeat("hello\n", 10)
	for name, tt := range map[string]struct{ first, other string }{
		"another line":      {users(3), users(2) + line("x")},
		"a line more":       {users(3), users(4)},
		"a line less":       {users(3), users(2)},
		"in a later chunk":  {users(more), users(more) + line("x")},
		"behind a chunk":    {users(chunkLines), users(chunkLines + 1)},
		"many chunks":       {users(2 * chunkLines), users(2*chunkLines) + line("x")},
		"behind blanks":     {users(chunkLines) + "\n\r\n", users(chunkLines) + line("x")},
		"behind refused":    {users(chunkLines) + refused, users(chunkLines) + refused + line("x")},
		"a chunk less":      {users(more), users(chunkLines)},
		"early, many lines": {users(3 * chunkLines), line("x") + users(3*chunkLines)},
	} {
		t.Run(name, func(t *testing.T) {
			keyed := g.with("Idempotency-Key", strings.ReplaceAll(name, " ", "-"))
			first, results := keyed.imports(tt.first)
			if got := first.Header().Get("Idempotent-Replayed"); got != "" || results[0].Status != 201 {
				t.Fatalf("the first: Idempotent-Replayed %q, %+v", got, results[0])
			}
			n := g.count()
			again, repeated := keyed.imports(tt.first)
			if got := again.Header().Get("Idempotent-Replayed"); got != "true" || len(repeated) != len(results) || repeated[0].ID != results[0].ID {
				t.Errorf("repeated: Idempotent-Replayed %q, %+v", got, repeated[0])
			}
			other, lines := keyed.imports(tt.other)
			if lines == nil {
				other.want(422, "idempotency-key-reused")
			} else if last := lines[len(lines)-1]; last.Problem == nil || last.Problem.Name() != "idempotency-key-reused" {
				t.Errorf("another import under the key: the last line is %+v", last)
			}
			if got := g.count(); got != n {
				t.Errorf("another import wrote %d records", got-n)
			}
		})
	}
}

// What was refused for its key is not tried any further: the rest of the body
// belongs to another import too.
func TestAReusedKeyIsAProblemOfTheCall(t *testing.T) {
	g := newGateway(t)
	keyed := g.with("Idempotency-Key", "k")
	keyed.imports(line("a") + line("b"))
	r, _ := keyed.imports(line("a") + line("c"))
	r.want(422, "idempotency-key-reused")
	if r.Header().Get("Idempotent-Replayed") != "" {
		t.Error("a refusal reads as a replay")
	}
}

// The answer comes chunk by chunk while the body is still sent, and what was
// answered is durable.
func TestImportAnswersWhileItReads(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g)
	defer server.Close()
	body, send := io.Pipe()
	r, err := http.NewRequest("POST", server.URL+"/v1/revocations/import", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("Authorization", "Bearer "+writeToken)
	more := make(chan struct{})
	go func() {
		// A chunk is answered once it is known not to be the last.
		for i := range chunkLines {
			fmt.Fprint(send, line(fmt.Sprint("user", i)))
		}
		fmt.Fprint(send, line("last"))
		<-more
		// A body that breaks off is not written to its end.
		_ = send.CloseWithError(io.ErrUnexpectedEOF)
	}()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(answer.Body)
	for range chunkLines {
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
	}
	if n := g.count(); n != chunkLines+1 {
		t.Errorf("%d records", n)
	}
	close(more)
	for lines.Scan() {
		t.Errorf("an answer to what broke off: %s", lines.Text())
	}
	answer.Body.Close()
	server.Close()
	if g.refused(revocation.Credential{Issuer: issuer, Subject: "last"}) {
		t.Error("what broke off was written")
	}
}

func TestImportStopsTryingWhenTheLedgerFails(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g)
	defer server.Close()
	body, send := io.Pipe()
	r, _ := http.NewRequest("POST", server.URL+"/v1/revocations/import", body)
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("Authorization", "Bearer "+writeToken)
	failed := make(chan struct{})
	go func() {
		for i := range chunkLines + 1 {
			fmt.Fprint(send, line(fmt.Sprint("user", i)))
		}
		<-failed
		for i := range chunkLines {
			fmt.Fprint(send, line(fmt.Sprint("later", i)))
		}
		send.Close()
	}()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	d := json.NewDecoder(answer.Body)
	for n := 1; ; n++ {
		var got imported
		if err := d.Decode(&got); err == io.EOF {
			if n != 2*chunkLines+2 {
				t.Errorf("%d results", n-1)
			}
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 201, false: 503}[n <= chunkLines]; got.Status != want || got.Line != n {
			t.Fatalf("line %d: %+v, want %d", n, got, want)
		}
		if n == chunkLines {
			err := error(ledger.ErrOutcomeUnknown)
			g.ledger.err.Store(&err)
			close(failed)
		}
	}
}

// Whoever still listens when the body breaks off is told what was not written,
// and never in a 200 that says nothing.
func TestImportBrokenOff(t *testing.T) {
	for name, tt := range map[string]struct{ lines, status, written int }{
		"at once": {1, 400, 0},
		"later":   {chunkLines + 1, 200, chunkLines},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			server := httptest.NewServer(g)
			defer server.Close()
			answer := breakOff(t, server, tt.lines)
			text, _ := io.ReadAll(answer.Body)
			answers := strings.Split(strings.TrimSpace(string(text)), "\n")
			last := answers[len(answers)-1]
			if answer.StatusCode != tt.status || !strings.Contains(last, `"status":400`) || !strings.Contains(last, "broke off") {
				t.Errorf("%s: %q", answer.Status, last)
			}
			if n := strings.Count(string(text), `"status":201`); n != tt.written {
				t.Errorf("%d lines read as written, want %d", n, tt.written)
			}
			if n := g.count(); n != tt.written+1 {
				t.Errorf("%d records beside the genesis, want %d", n-1, tt.written)
			}
		})
	}
}

// An import that broke off goes on under its key, wherever it broke.
func TestImportGoesOnWhereItBrokeOff(t *testing.T) {
	for _, lines := range []int{1, chunkLines, chunkLines + 1, 2 * chunkLines, 2*chunkLines + 7} {
		g := newGateway(t)
		server := httptest.NewServer(g)
		defer server.Close()
		_, _ = io.Copy(io.Discard, breakOff(t, server, lines, "Idempotency-Key: k").Body)
		written := g.count() - 1
		if want := (lines - 1) / chunkLines * chunkLines; written != want {
			t.Errorf("%d records of %d lines, want %d", written, lines, want)
		}
		const all = 3*chunkLines + 1
		r, results := g.with("Idempotency-Key", "k").imports(strings.Repeat(line("a"), all))
		if len(results) != all || g.count()-1 != all {
			t.Fatalf("broken off after %d lines: %d results, %d records: %d %.200s", lines, len(results), g.count()-1, r.Code, r.Body)
		}
		for _, result := range results {
			if result.Status != 201 {
				t.Fatalf("%+v", result)
			}
		}
		if got := r.Header().Get("Idempotent-Replayed") == "true"; got != (written > 0) {
			t.Errorf("replayed %t, and %d were written before", got, written)
		}
	}
}

// breakOff sends an import whose body ends in the middle of a chunk.
func breakOff(t *testing.T, server *httptest.Server, lines int, headers ...string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	body := strings.Repeat(line("a"), lines)
	fmt.Fprintf(conn, "POST /v1/revocations/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-ndjson\r\n"+
		"Transfer-Encoding: chunked\r\n%s\r\n%x\r\n%s\r\nnonsense\r\n", writeToken, strings.Join(append(headers, ""), "\r\n"), len(body), body)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// A chunk is bounded by its encoding too: exempt clients are copied into each
// record. And it is the same chunk when the import is repeated, from elsewhere
// and later.
func TestChunksAreBoundedInBytes(t *testing.T) {
	exempt := make([]string, 300)
	for i := range exempt {
		exempt[i] = fmt.Sprintf("client-of-a-long-list-%03d", i)
	}
	g := newGateway(t, func(c *Config) { c.Issuers[0].ExemptClients = exempt })
	var body strings.Builder
	for i := range 200 {
		body.WriteString(line(fmt.Sprint("user", i)))
	}
	keyed := g.with("Idempotency-Key", "import")
	_, first := keyed.imports(body.String())
	chunks, largest := 0, 0
	if err := g.ledger.Read(t.Context(), revocation.Position{}, func(e revocation.Entry) error {
		chunks++
		largest = max(largest, len(revocation.AppendRecords(nil, e.Records)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if largest > chunkBytes || largest < chunkBytes/2 || chunks < 5 {
		t.Errorf("%d entries, the largest of %d bytes", chunks, largest)
	}
	n := g.count()
	g.pass(20 * time.Hour)
	r := keyed.as(writeToken).request("POST", "/v1/revocations/import", body.String())
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.RemoteAddr = "[2001:db8:1111:2222:3333:4444:5555:6666%eth0.4000]:65535"
	again := keyed.send(r).want(200)
	if again.Body.Len() == 0 || g.count() != n {
		t.Errorf("repeated: %d records more", g.count()-n)
	}
	for d := json.NewDecoder(again.Body); d.More(); {
		var got imported
		if err := d.Decode(&got); err != nil || got.Status != 201 || got.ID != first[got.Line-1].ID {
			t.Fatalf("line %d: %+v, %v", got.Line, got, err)
		}
	}
}

// One record that is larger than a chunk goes alone.
func TestARecordLargerThanAChunk(t *testing.T) {
	exempt := make([]string, 5000)
	for i := range exempt {
		exempt[i] = fmt.Sprintf("client-%050d", i)
	}
	g := newGateway(t, func(c *Config) { c.Issuers[0].ExemptClients = exempt })
	_, got := g.imports(line("a") + line("b"))
	if len(got) != 2 || got[0].Position != "1.2" || got[1].Position != "1.3" {
		t.Errorf("%+v", got)
	}
}

// What weigh leaves out fits into the room that it leaves for it.
func TestWeighIsNeverTooLittle(t *testing.T) {
	r := revocation.Record{
		Type: revocation.Cut, Target: revocation.Target{Issuer: issuer, Subject: "alice"}, Mode: revocation.SignIn,
		At: 4102444800000, Through: 4102444800, Keep: 90 * 24 * 3600, Time: 4102444800000, Source: "admin", Actor: "helpdesk",
		Remote: "2001:db8:1111:2222:3333:4444:5555:6666%eth0.4000", RequestID: strings.Repeat("f", 32),
	}
	r.Limits = r.PossibleLimits()
	if weighed, is := new(importer).weigh(r), len(revocation.AppendRecords(nil, []revocation.Record{r})); weighed < is || weighed > is+32 {
		t.Errorf("%d bytes are weighed as %d", is, weighed)
	}
}

// However many imports run, one chunk is on its way at a time; what else is
// written is not held up by those that wait.
func TestChunksGoOneByOne(t *testing.T) {
	g := newGateway(t)
	g.ledger.hold, g.ledger.entered = make(chan struct{}), make(chan struct{}, 4)
	var all sync.WaitGroup
	for _, token := range []string{writeToken, glassToken} {
		all.Go(func() {
			r := g.as(token).with("Content-Type", "application/x-ndjson").post("/v1/revocations/import", line("a")+line("b"))
			if strings.Count(r.Body.String(), `"status":201`) != 2 {
				t.Errorf("%d %s", r.Code, r.Body)
			}
		})
	}
	<-g.ledger.entered
	select {
	case <-g.ledger.entered:
		t.Error("two chunks are on their way at once")
	case <-time.After(50 * time.Millisecond):
	}
	all.Go(func() { g.post("/v1/revocations", alice()) })
	<-g.ledger.entered
	close(g.ledger.hold)
	all.Wait()
}
