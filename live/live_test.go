package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/live"
	"curfew.dev/curfew/revocation"
)

func versions(t *testing.T, test func(t *testing.T, version int)) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("http%d", version), func(t *testing.T) { test(t, version) })
	}
}

// A response that has begun is aborted, in whatever way the handler writes.
func TestBegunResponsesAreAborted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 1<<32); err != nil {
		t.Fatal(err)
	}
	for name, next := range map[string]handler{
		"stream": stream,
		"ignores the context": func(w http.ResponseWriter, _ *http.Request) error {
			for {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return nil
				}
			}
		},
		"file": func(w http.ResponseWriter, r *http.Request) error {
			http.ServeFile(w, r, file)
			return nil
		},
		"returns as if nothing were": func(w http.ResponseWriter, r *http.Request) error {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			versions(t, func(t *testing.T, version int) {
				e := newEdge(t, next)
				c := client(t, version)
				var bodies []io.ReadCloser
				for _, subject := range []string{"alice", "bob"} {
					resp, err := c.Do(e.request(t, subject, nil))
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
						t.Fatal(err)
					}
					bodies = append(bodies, resp.Body)
				}
				e.cutAlice(t, 1)
				if _, err := io.Copy(io.Discard, bodies[0]); !aborted(err) {
					t.Errorf("alice's response ended with %v", err)
				}
				if name == "stream" {
					if _, err := io.ReadFull(bodies[1], make([]byte, 1000)); err != nil {
						t.Errorf("bob's response: %v", err)
					}
				}
				_ = bodies[1].Close()
				for range 2 {
					await(t, e.left)
				}
				if n := e.Count(revocation.Target{Issuer: issuer}); n != 0 {
					t.Errorf("%d requests are still live", n)
				}
			})
		})
	}
}

// A client that doesn't read can't keep its connection.
func TestBlockedWritesAreUnblocked(t *testing.T) {
	versions(t, func(t *testing.T, version int) {
		e := newEdge(t, func(w http.ResponseWriter, _ *http.Request) error {
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return err
				}
			}
		})
		resp, err := client(t, version).Do(e.request(t, "alice", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		time.Sleep(50 * time.Millisecond) // until the buffers are full; the test passes without it too
		e.cutAlice(t, 1)
		await(t, e.left)
	})
}

// A request that is cut before its response began gets the refusal alone.
func TestRequestsGetTheRefusal(t *testing.T) {
	for name, next := range map[string]handler{
		"waits": func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		},
		"answers 499": func(w http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			w.Header().Set("Set-Cookie", "secret=1")
			w.WriteHeader(499)
			return nil
		},
		"answers late": func(w http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			w.Header().Set("Content-Length", "6")
			w.Header().Set("Set-Cookie", "secret=1")
			_, err := io.WriteString(w, "secret")
			return err
		},
		"flushes": func(w http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return http.NewResponseController(w).Flush()
		},
		"aborts": func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		},
		"reads": func(w http.ResponseWriter, r *http.Request) error {
			if _, err := io.Copy(io.Discard, r.Body); err != context.Canceled {
				t.Errorf("the body ended with %v, which a proxy would blame on the upstream", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			versions(t, func(t *testing.T, version int) {
				e := newEdge(t, next)
				body, upload := io.Pipe()
				defer upload.Close()
				var from io.Reader
				if name == "reads" {
					from = body
				}
				answers := make(chan *http.Response, 1)
				go func() {
					resp, err := client(t, version).Do(e.request(t, "alice", from))
					if err != nil {
						t.Error(err)
						close(answers)
						return
					}
					answers <- resp
				}()
				e.awaitEntered(t, 1)
				e.cutAlice(t, 1)
				resp := await(t, answers)
				if resp == nil {
					return
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				if resp.StatusCode != 401 || string(b) != "signed-out" || err != nil {
					t.Errorf("got %d %q %v", resp.StatusCode, b, err)
				}
				if resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("Server") != "edge" || resp.Header.Get("WWW-Authenticate") == "" {
					t.Errorf("headers: %v", resp.Header)
				}
				if resp.Close != (version == 1) {
					t.Errorf("the connection is to be closed: %v", resp.Close)
				}
				if err := await(t, e.left); err != nil {
					t.Errorf("it was an error: %v", err)
				}
			})
		})
	}
}

// A record that is written between admission and registration counts.
func TestJudgedAgainOnceRegistered(t *testing.T) {
	e := newEdge(t, func(http.ResponseWriter, *http.Request) error {
		t.Error("the handler was called")
		return nil
	})
	e.judge["alice"].refuse()
	resp, err := client(t, 1).Do(e.request(t, "alice", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

// Only matching requests are judged, and only refused requests are cut.
func TestCutsWhatMatchesAndIsRefused(t *testing.T) {
	e := newEdge(t, stream)
	c := client(t, 2)
	for _, subject := range []string{"alice", "alice", "bob"} {
		resp, err := c.Do(e.request(t, subject, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
	}
	for _, of := range []struct {
		target revocation.Target
		want   int
	}{
		{alice(), 2},
		{revocation.Target{Issuer: issuer, Subject: "bob"}, 1},
		{revocation.Target{Issuer: issuer, Subject: "alice", Client: "web"}, 2},
		{revocation.Target{Issuer: issuer, Subject: "alice", Client: "mobile"}, 0},
		{revocation.Target{Issuer: issuer, Session: "sid-bob"}, 1},
		{revocation.Target{Issuer: issuer, Tenant: "contoso"}, 3},
		{revocation.Target{Issuer: issuer, Tenant: "fabrikam"}, 0},
		{revocation.Target{Issuer: issuer}, 3},
		{revocation.Target{Issuer: "https://other.example"}, 0},
		{revocation.Target{Tenant: "contoso"}, 0},
	} {
		if n := e.Count(of.target); n != of.want {
			t.Errorf("%v: %d live, want %d", of.target.Members(), n, of.want)
		}
		matches, shown := of.target.Matcher(), 0
		e.Each(of.target, func(c *revocation.Credential) {
			if shown++; !matches(c) {
				t.Errorf("%v: shows one of %s", of.target.Members(), c.Subject)
			}
		})
		if shown != of.want {
			t.Errorf("%v: %d shown, want %d", of.target.Members(), shown, of.want)
		}
		if n := e.Cut(of.target); n != 0 {
			t.Errorf("%v: %d were cut though their judges admit them", of.target.Members(), n)
		}
	}
	if n := e.Live(live.HTTP2); n != 3 {
		t.Errorf("%d of HTTP/2, want 3", n)
	}
	e.judge["alice"].refuse()
	if n := e.Cut(revocation.Target{Issuer: issuer, Tenant: "contoso"}); n != 2 {
		t.Errorf("%d cut, want 2", n)
	}
	if n := e.Cut(alice()); n != 0 {
		t.Errorf("%d cut twice", n)
	}
	e.judge["bob"].because = map[live.Cause]string{live.Unready: "stale"}
	if n := e.CutAll(live.Unready); n != 1 {
		t.Errorf("%d cut, want bob's", n)
	}
	for range 3 {
		await(t, e.left)
	}
	e.record.mu.Lock()
	defer e.record.mu.Unlock()
	if got := strings.Join(e.record.reasons, " "); got != "signed-out signed-out stale" {
		t.Errorf("reasons: %s", got)
	}
	if len(e.record.ended) != 3 {
		t.Errorf("%d ended", len(e.record.ended))
	}
}

func TestDeadlines(t *testing.T) {
	for _, c := range []struct {
		name                          string
		expires, decays, until, lasts time.Duration
		reason                        string
	}{
		{"expiry", 5 * time.Second, 0, 0, 5 * time.Second, "expired"},
		{"decay", 0, 6 * time.Second, 0, 6 * time.Second, "decayed"},
		{"age", 0, 0, 7 * time.Second, 7 * time.Second, "aged"},
		{"expiry first", 5 * time.Second, 6 * time.Second, 7 * time.Second, 5 * time.Second, "expired"},
		{"decay first", 7 * time.Second, 5 * time.Second, 6 * time.Second, 5 * time.Second, "decayed"},
		{"age first", 7 * time.Second, 6 * time.Second, 5 * time.Second, 5 * time.Second, "aged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g live.Registry
				go g.Run(t.Context())
				terms := live.Terms{Credential: credential("alice"), Judge: &verdicts{because: map[live.Cause]string{live.Expired: "expired", live.Decayed: "decayed", live.Aged: "aged"}}}
				start := time.Now()
				if c.expires > 0 {
					terms.Expires = start.Add(c.expires)
				}
				if c.decays > 0 {
					terms.Decays = start.Add(c.decays)
				}
				if c.until > 0 {
					terms.Until = start.Add(c.until)
				}
				w := newRecorder()
				err := g.Serve(w, w.request(t), terms, handler(func(_ http.ResponseWriter, r *http.Request) error {
					<-r.Context().Done()
					return nil
				}))
				if err != nil || w.Body.String() != c.reason {
					t.Errorf("got %q %v", w.Body, err)
				}
				defer time.Sleep(time.Minute) // the registry must see that it is over
				if took := time.Since(start); took < c.lasts || took > c.lasts+time.Second {
					t.Errorf("it took %v, want %v", took, c.lasts)
				}
			})
		})
	}
}

// A judge that lets a deadline pass is not asked about it again. Later
// deadlines are not forgotten.
func TestDeadlinesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g live.Registry
		go g.Run(t.Context())
		ended := make(chan string, 3)
		serve := func(name string, after time.Duration, because string) {
			terms := live.Terms{Credential: credential("alice"), Judge: &verdicts{because: map[live.Cause]string{live.Expired: because}}}
			terms.Expires = time.Now().Add(after)
			w := newRecorder()
			_ = g.Serve(w, w.request(t), terms, handler(func(_ http.ResponseWriter, r *http.Request) error {
				select {
				case <-r.Context().Done():
				case <-time.After(time.Minute):
				}
				return nil
			}))
			ended <- name
		}
		go serve("patient", time.Second, "")
		go serve("second", 20*time.Second, "expired")
		go serve("first", 10*time.Second, "expired")
		for _, want := range []string{"first", "second", "patient"} {
			if got := <-ended; got != want {
				t.Errorf("%s ended, want %s", got, want)
			}
		}
		time.Sleep(time.Minute)
	})
}

// Each request ends when it is due, however many share a stripe of the
// registry.
func TestEachDeadlineEndsItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests = 200
		var g live.Registry
		go g.Run(t.Context())
		began := time.Now()
		var all sync.WaitGroup
		for i := range requests {
			due := time.Duration(1+i) * 10 * time.Second
			terms := live.Terms{
				Credential: credential("alice"), Judge: &verdicts{because: map[live.Cause]string{live.Expired: "expired"}}, Expires: began.Add(due),
			}
			all.Go(func() {
				w := newRecorder()
				_ = g.Serve(w, w.request(t), terms, handler(func(_ http.ResponseWriter, r *http.Request) error {
					select {
					case <-r.Context().Done():
					case <-time.After(requests * time.Minute):
					}
					return nil
				}))
				if lasted := time.Since(began); lasted < due || lasted > due+5*time.Second {
					t.Errorf("a request that was due after %s ended after %s", due, lasted)
				}
			})
		}
		all.Wait()
		time.Sleep(time.Minute)
	})
}

// A handler that does not return is reported, and nothing waits for it.
func TestOverdueHandlersAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(record)
		g := live.Registry{Observer: o}
		v := new(verdicts)
		release, done := make(chan struct{}), make(chan struct{})
		go func() {
			w := newRecorder()
			_ = g.Serve(w, w.request(t), live.Terms{Credential: credential("alice"), Judge: v}, handler(func(http.ResponseWriter, *http.Request) error {
				<-release
				return nil
			}))
			close(done)
		}()
		synctest.Wait()
		v.refuse()
		start := time.Now()
		if n := g.Cut(alice()); n != 1 || time.Since(start) != 0 {
			t.Errorf("%d cut after %v", n, time.Since(start))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		o.mu.Lock()
		if o.overdue != 1 || len(o.ended) != 0 {
			t.Errorf("%d overdue, %d ended", o.overdue, len(o.ended))
		}
		o.mu.Unlock()
		close(release)
		<-done
		if n := g.Count(alice()); n != 0 || len(o.ended) != 1 {
			t.Errorf("%d live, %d ended", n, len(o.ended))
		}
	})
}

// The registry recovers no other panics.
func TestPanicsPass(t *testing.T) {
	for _, cut := range []bool{false, true} {
		var g live.Registry
		v := new(verdicts)
		func() {
			defer func() {
				if p := recover(); p != "bug" {
					t.Errorf("recovered %v", p)
				}
			}()
			w := newRecorder()
			_ = g.Serve(w, w.request(t), live.Terms{Credential: credential("alice"), Judge: v}, handler(func(http.ResponseWriter, *http.Request) error {
				if cut {
					v.refuse()
					g.Cut(alice())
				}
				panic("bug")
			}))
		}()
		if n := g.Count(alice()); n != 0 {
			t.Errorf("%d live", n)
		}
	}
}

// A request under further terms must satisfy them.
func TestNarrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g live.Registry
		go g.Run(t.Context())
		defer time.Sleep(time.Minute)
		for _, c := range []struct {
			name  string
			judge *verdicts
			until time.Duration
			goes  bool
			want  string
		}{
			{"refused by the second", &verdicts{refused: true}, time.Minute, false, "signed-out"},
			{"ended by the second's deadline", &verdicts{because: map[live.Cause]string{live.Aged: "aged"}}, time.Minute, true, "aged"},
			{"ended by the first's deadline", &verdicts{because: map[live.Cause]string{live.Expired: "expired"}}, 2 * time.Hour, true, "expired"},
		} {
			began := time.Now()
			w := newRecorder()
			terms := live.Terms{Credential: credential("alice"), Judge: new(verdicts), Expires: time.Now().Add(time.Hour)}
			err := g.Serve(w, w.request(t), terms, handler(func(w http.ResponseWriter, r *http.Request) error {
				further := live.Terms{Judge: c.judge, Until: began.Add(c.until)}
				if goes := w.(*live.Request).Narrow(further); goes != c.goes {
					t.Errorf("%s: it goes on: %v", c.name, goes)
				}
				<-r.Context().Done()
				return nil
			}))
			if err != nil || w.Body.String() != c.want {
				t.Errorf("%s: %q %v", c.name, w.Body, err)
			}
			if lasted := time.Since(began); lasted > time.Hour+time.Minute {
				t.Errorf("%s: after %s; a later guard must not lengthen the deadline of an earlier one", c.name, lasted)
			}
		}
	})
}

// The end of an HTTP/1.0 connection may be the end of the response, so a cut
// must not look like one.
func TestHTTP10IsReset(t *testing.T) {
	e := newEdge(t, stream)
	c, err := net.Dial("tcp", e.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\nX-Subject: alice\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
	e.cutAlice(t, 1)
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it ended with %v", err)
	}
}

// Admission, registration and the cut may happen in any order: a refused
// request has ended when all are done.
func TestNobodySlipsThrough(t *testing.T) {
	var g live.Registry
	for round := 0; round < 500 && !t.Failed(); round++ {
		v := new(verdicts)
		var served sync.WaitGroup
		for range 4 {
			served.Go(func() {
				w := newRecorder()
				_ = g.Serve(w, w.request(t), live.Terms{Credential: credential("alice"), Judge: v}, handler(func(_ http.ResponseWriter, r *http.Request) error {
					select {
					case <-r.Context().Done():
					case <-time.After(patience):
						t.Error("a request was missed")
					}
					return nil
				}))
				if w.Code != http.StatusUnauthorized {
					t.Errorf("got %d", w.Code)
				}
			})
		}
		v.refuse()
		g.Cut(alice())
		served.Wait()
	}
	if n := g.Live(live.HTTP1); n != 0 {
		t.Errorf("%d are still live", n)
	}
}

// F-25: a handler that panics leaves nothing in the registry, whether or not
// its request was cut. The server handles the panic.
func TestPanicsPassThrough(t *testing.T) {
	for _, cut := range []bool{false, true} {
		var g live.Registry
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		terms := live.Terms{Credential: credential("alice"), Judge: &verdicts{because: map[live.Cause]string{live.Stopping: "stopping"}}}
		func() {
			defer func() {
				if p := recover(); p != "boom" {
					t.Errorf("cut %v: it panicked with %v", cut, p)
				}
			}()
			_ = g.Serve(httptest.NewRecorder(), r, terms, handler(func(http.ResponseWriter, *http.Request) error {
				if cut && g.CutAll(live.Stopping) != 1 {
					t.Error("it was not cut")
				}
				panic("boom")
			}))
		}()
		if n := g.Count(alice()); n != 0 {
			t.Errorf("cut %v: %d are live", cut, n)
		}
	}
}
