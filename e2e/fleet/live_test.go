//go:build e2e

package fleet

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// conversation is a connection that somebody has open through a gateway.
type conversation struct {
	what  string
	ended chan error
}

// talk opens a WebSocket and an event stream.
func (f *fleet) talk(g *gateway, subject string) []conversation {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f.t.Cleanup(cancel)
	header := http.Header{"Authorization": {"Bearer " + f.token(subject)}}
	socket, _, err := websocket.Dial(ctx, "ws://"+g.App+"/ws", &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		f.t.Fatalf("opening a WebSocket through %s: %v", g.Name, err)
	}
	f.t.Cleanup(func() { _ = socket.CloseNow() })
	ws := conversation{g.Name + "'s WebSocket", make(chan error, 1)}
	go func() {
		_, _, err := socket.Read(ctx)
		ws.ended <- err
	}()

	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.App+"/events", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header = header
	resp, err := new(http.Transport).RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		f.t.Fatalf("opening an event stream through %s: %v %v", g.Name, resp, err)
	}
	sse := conversation{g.Name + "'s event stream", make(chan error, 1)}
	go func() {
		defer resp.Body.Close()
		_, err := io.Copy(io.Discard, resp.Body)
		if err == nil {
			err = errors.New("it was complete")
		}
		sse.ended <- err
	}()
	return []conversation{ws, sse}
}

// ends fails the test unless all end.
func ends(t *testing.T, talks []conversation) {
	t.Helper()
	deadline := time.After(patience)
	for _, c := range talks {
		select {
		case <-c.ended:
		case <-deadline:
			t.Errorf("%s goes on", c.what)
		}
	}
}

// goOn fails the test if one has ended.
func goOn(t *testing.T, talks []conversation) {
	t.Helper()
	for _, c := range talks {
		select {
		case err := <-c.ended:
			t.Errorf("%s ended: %v", c.what, err)
		default:
		}
	}
}
