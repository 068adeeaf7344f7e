package admin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/revocation"
)

// turncoat is who calls until something becomes of them.
type turncoat struct {
	atomic.Pointer[func() (Caller, error)]
}

func (t *turncoat) become(c Caller, err error) {
	f := func() (Caller, error) { return c, err }
	t.Store(&f)
}

func (t *turncoat) authenticate(*http.Request) (Caller, error) { return (*t.Load())() }

var operator = Caller{Name: "operator", Role: Write, Source: "admin"}

// ends are what may become of a caller, and the problem that follows.
var ends = map[string]struct {
	becomes func(*turncoat)
	status  int
	problem string
}{
	"refused":  {func(t *turncoat) { t.become(Caller{}, errors.New("signed out")) }, 401, "invalid-token"},
	"smaller":  {func(t *turncoat) { t.become(Caller{Name: "operator", Role: Read, Source: "admin"}, nil) }, 403, "forbidden"},
	"other":    {func(t *turncoat) { t.become(Caller{Name: "other", Role: Write, Source: "admin"}, nil) }, 401, "invalid-token"},
	"stopping": {func(t *turncoat) { t.become(Caller{}, ErrStopping) }, 503, "ledger-unavailable"},
}

// server serves the API to one caller over HTTP/1 or 2.
func (g *gateway) server(h2 bool) *httptest.Server {
	g.Helper()
	s := httptest.NewUnstartedServer(g)
	if s.EnableHTTP2 = h2; h2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	g.Cleanup(s.Close)
	return s
}

func importInto(t *testing.T, s *httptest.Server, body io.Reader) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/v1/revocations/import", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// An import whose caller would not be let in any more ends while it waits for
// the next line, and nothing of what was sent is written.
func TestAnImportThatWaitsEndsWithItsCaller(t *testing.T) {
	for name, end := range ends {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " h2=", h2), func(t *testing.T) {
				var caller turncoat
				caller.become(operator, nil)
				g := newGateway(t, func(c *Config) { c.Authenticate = caller.authenticate })
				body, send := io.Pipe()
				defer send.Close()
				go func() {
					_, _ = io.WriteString(send, line("alice"))
					for g.memory.imports.Callers() == 0 {
						time.Sleep(time.Millisecond)
					}
					end.becomes(&caller)
				}()
				answer := importInto(t, g.server(h2), body)
				b, err := io.ReadAll(answer.Body)
				if answer.StatusCode != end.status || !strings.Contains(string(b), end.problem) || !strings.Contains(string(b), "nothing was written from line 1 on") {
					t.Errorf("%d %s %v", answer.StatusCode, b, err)
				}
				if g.count() != 1 {
					t.Error("something was written")
				}
			})
		}
	}
}

// One that has been answered in part says in its last line why it ends.
func TestAnImportThatWasAnsweredSaysWhyItEnds(t *testing.T) {
	for name, end := range ends {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " h2=", h2), func(t *testing.T) {
				var caller turncoat
				caller.become(operator, nil)
				g := newGateway(t, func(c *Config) { c.Authenticate = caller.authenticate })
				body, send := io.Pipe()
				defer send.Close()
				go func() {
					for i := range chunkLines + 1 {
						_, _ = io.WriteString(send, line(fmt.Sprint("user", i)))
					}
				}()
				answer := importInto(t, g.server(h2), body)
				lines := bufio.NewScanner(answer.Body)
				for range chunkLines {
					if !lines.Scan() || !strings.Contains(lines.Text(), `"status":201`) {
						t.Fatalf("%s %v", lines.Text(), lines.Err())
					}
				}
				end.becomes(&caller)
				go func() {
					for i := range 2 * chunkLines {
						if _, err := io.WriteString(send, line(fmt.Sprint("later", i))); err != nil {
							return
						}
					}
				}()
				last := ""
				for lines.Scan() {
					if last = lines.Text(); strings.Contains(last, `"status":201`) {
						t.Fatalf("written: %s", last)
					}
				}
				if !strings.Contains(last, fmt.Sprintf(`"status":%d`, end.status)) || !strings.Contains(last, end.problem) {
					t.Errorf("the last line is %s", last)
				}
				if n := g.count() - 1; n != chunkLines {
					t.Errorf("%d lines were written, want %d", n, chunkLines)
				}
			})
		}
	}
}

// The caller is judged before each chunk, whatever time has passed.
func TestNoChunkIsWrittenForACallerThatIsGone(t *testing.T) {
	var g *gateway
	g = newGateway(t, func(c *Config) {
		c.Authenticate = func(*http.Request) (Caller, error) {
			if g != nil && g.count() > 1 {
				return Caller{}, errors.New("signed out")
			}
			return operator, nil
		}
	})
	var body strings.Builder
	for i := range 3 * chunkLines {
		body.WriteString(line(fmt.Sprint("user", i)))
	}
	_, results := g.imports(body.String())
	if n := g.count() - 1; n != chunkLines {
		t.Errorf("%d lines were written, want %d", n, chunkLines)
	}
	if last := results[len(results)-1]; last.Status != 401 || last.Problem == nil {
		t.Errorf("the last line is %+v", last)
	}
}

// A body that comes slowly is a long call too: whoever was let in when it began
// writes nothing, and learns nothing, when it ends.
func TestASlowBodyIsNoWayToWriteLater(t *testing.T) {
	for name, end := range ends {
		for path, body := range everyPost() {
			var caller turncoat
			caller.become(Caller{Name: "operator", Role: BreakGlass, Source: "admin"}, nil)
			g := newGateway(t, func(c *Config) { c.Authenticate = caller.authenticate })
			r := g.request("POST", path, body)
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:1]), during(func() {
				end.becomes(&caller)
				g.pass(httpapi.JudgeEvery + time.Millisecond)
			}), strings.NewReader(body[1:])))
			if a := g.send(r); a.Code != end.status || !strings.Contains(a.Body.String(), end.problem) {
				t.Errorf("%s, %s: %d %s", name, path, a.Code, a.Body)
			}
			if g.count() != 1 {
				t.Errorf("%s, %s: something was written", name, path)
			}
		}
	}
}

// during is a reader of nothing that does something.
type during func()

func (d during) Read([]byte) (int, error) {
	d()
	return 0, io.EOF
}

// A stream of events ends within about a second, and tells nothing that was
// applied since.
func TestAStreamOfEventsEndsWithItsListener(t *testing.T) {
	for name, end := range ends {
		for _, silent := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " silent=", silent), func(t *testing.T) {
				var caller turncoat
				caller.become(operator, nil)
				g := newGateway(t, func(c *Config) { c.Authenticate = caller.authenticate })
				l := g.listen(g.server(false), "")
				defer l.close()
				l.want("1.1", "", "")
				g.post("/v1/revocations", alice()).want(201)
				l.want("1.2", "revocation", "rev_1.2.0")
				began := time.Now()
				end.becomes(&caller)
				if !silent {
					h, err := New(Config{Node: g.node, Authenticate: Local, Issuers: []revocation.Issuer{{URL: issuer}}})
					if err != nil {
						t.Fatal(err)
					}
					other := *g
					other.Handler = h
					other.post("/v1/revocations", alice()).want(201)
				}
				for {
					e, ok := l.next()
					if !ok {
						break
					}
					if e.name != "" {
						t.Fatalf("got %+v", e)
					}
				}
				if took := time.Since(began); took > 10*httpapi.JudgeEvery {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
}
