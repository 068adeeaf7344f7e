//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestOpenConnections holds what people have open to what is revoked: sessions
// end one by one, before and after reloads, and all of them with the process.
func TestOpenConnections(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	streams := newStreams(t)
	site := freeAddress(t)
	g := newGateway(t, p, config{Extra: fmt.Sprintf(`

http://%s {
	curfew
	reverse_proxy %s {
		stream_close_delay 1h
	}
}
`, site, streams)})
	alice := newBrowser(t, p, "alice", "phone-of-alice").signIn(t, "mobile")
	laptop := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	bob := newBrowser(t, p, "bob", "phone-of-bob").signIn(t, "mobile")
	alices, laptops, bobs := watch(t, site, alice), watch(t, site, laptop), watch(t, site, bob)
	socket := connect(t, site, alice)

	g.cut(t, object{"target": g.target("sid", alice.facts(t).Session)})
	alices.ends(t, "aborted")
	if _, _, err := socket.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("the WebSocket ended with %v", err)
	}
	laptops.goesOn(t)
	bobs.goesOn(t)

	socket = connect(t, site, bob)
	g.reloadsWell(t)
	laptops.goesOn(t)
	g.cut(t, object{"target": g.target("sub", laptop.facts(t).Subject)})
	laptops.ends(t, "aborted")
	bobs.goesOn(t)

	g.block(t, object{"target": g.target("sub", bob.facts(t).Subject)})
	bobs.ends(t, "aborted")
	if _, _, err := socket.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("the WebSocket that was opened before the reload ended with %v", err)
	}
}

// TestExitEndsWhatIsOpen: Caddy alone would wait for a stream, here for ever.
func TestExitEndsWhatIsOpen(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	site := freeAddress(t)
	g := newGateway(t, p, config{Grace: "1h", Extra: fmt.Sprintf("\n\nhttp://%s {\n\tcurfew\n\treverse_proxy %s\n}\n", site, newStreams(t))})
	alices := watch(t, site, newBrowser(t, p, "alice", "phone-of-alice").signIn(t, "mobile"))
	feed, err := new(http.Transport).RoundTrip(g.as("read").request(t, http.MethodGet, "/v1/events", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Body.Close()
	g.Stop(t)
	alices.ends(t, "aborted")
	if _, err := io.ReadAll(feed.Body); err != nil {
		t.Errorf("the event stream of the API: %v, want its end", err)
	}
}

// newStreams is a service with an event stream and a WebSocket.
func newStreams(t *testing.T) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			if c, err := websocket.Accept(w, r, nil); err == nil {
				_, _, _ = c.Read(context.Background())
				_ = c.CloseNow()
			}
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "data: hello\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// stream is an event stream that somebody watches.
type stream struct{ body *bufio.Reader }

func watch(t *testing.T, site string, s *session) stream {
	t.Helper()
	r := newRequest(t, http.MethodGet, "http://"+site+"/events", nil)
	r.Header.Set("Authorization", "Bearer "+s.Access)
	transport := new(http.Transport)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close(); transport.CloseIdleConnections() })
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	w := stream{bufio.NewReader(resp.Body)}
	w.goesOn(t)
	return w
}

func (s stream) goesOn(t *testing.T) {
	t.Helper()
	// More than can have been on its way.
	if _, err := io.ReadFull(s.body, make([]byte, 1<<8)); err != nil {
		t.Errorf("the stream ended: %v", err)
	}
}

func (s stream) ends(t *testing.T, want string) {
	t.Helper()
	ended := make(chan string, 1)
	go func() {
		how := "complete"
		if _, err := io.Copy(io.Discard, s.body); err != nil {
			how = "aborted"
		}
		ended <- how
	}()
	select {
	case how := <-ended:
		if how != want {
			t.Errorf("the stream ended %s, want %s", how, want)
		}
	case <-time.After(patience):
		t.Error("the stream goes on")
	}
}

func connect(t *testing.T, site string, s *session) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), "http://"+site+"/ws", &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + s.Access}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}
