package live_test

//lint:file-ignore SA1019 the client of net/http has no extended CONNECT, that of x/net/http2 has

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"

	_ "curfew.dev/curfew/internal/extendedconnect"
	"curfew.dev/curfew/live"
)

func dial(t *testing.T, e *edge, subject string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, e.URL, &websocket.DialOptions{HTTPHeader: http.Header{"X-Subject": {subject}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// echo answers messages until an error.
func echo(w http.ResponseWriter, r *http.Request) error {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for {
		kind, b, err := c.Read(context.Background())
		if err != nil {
			return err
		}
		if err := c.Write(context.Background(), kind, b); err != nil {
			return err
		}
	}
}

func TestWebSocketIsToldWhy(t *testing.T) {
	e := newEdge(t, echo)
	alices, bobs := dial(t, e, "alice"), dial(t, e, "bob")
	say(t, alices)
	if n := e.Live(live.WebSocket); n != 2 {
		t.Errorf("%d live", n)
	}
	e.cutAlice(t, 1)
	_, _, err := alices.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("alice was told %v", err)
	}
	await(t, e.left)
	say(t, bobs)
	if n := e.Live(live.WebSocket); n != 1 {
		t.Errorf("%d live", n)
	}
}

func say(t *testing.T, c *websocket.Conn) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := c.Read(t.Context()); err != nil || string(b) != "hello" {
		t.Fatalf("%q %v", b, err)
	}
}

// A hijacked connection is live until it is closed.
func TestHijackedOutlivesItsHandler(t *testing.T) {
	kept, writer := make(chan net.Conn, 1), make(chan *bufio.ReadWriter, 1)
	e := newEdge(t, func(w http.ResponseWriter, _ *http.Request) error {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return err
		}
		kept <- c
		writer <- rw
		_, _ = rw.WriteString("HTTP/1.1 200 OK\r\n\r\nhello")
		return rw.Flush()
	})
	resp, err := client(t, 1).Do(e.request(t, "alice", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	c := <-kept
	if err := await(t, e.left); err != nil {
		t.Fatal(err)
	}
	if n := e.Count(alice()); n != 1 {
		t.Fatalf("%d live, want the one that was handed over", n)
	}
	reading := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		reading <- err
	}()
	e.cutAlice(t, 1)
	if err := await(t, reading); err == nil {
		t.Error("the reader was not stopped")
	}
	if _, err := c.Write([]byte("more")); err == nil {
		t.Error("a write went through")
	}
	rw := <-writer
	if _, err := rw.WriteString("more"); err == nil && rw.Flush() == nil {
		t.Error("a write through the buffer went through")
	}
	_ = c.Close()
	_ = c.Close()
	if n := e.Count(alice()); n != 0 {
		t.Errorf("%d live after it was closed", n)
	}
	if b, _ := io.ReadAll(resp.Body); string(b) != "hello" {
		t.Errorf("the client read %q", b)
	}
}

// Over HTTP/2 the close frame is the last data of the stream, if the last frame
// is complete.
func TestWebSocketOverHTTP2(t *testing.T) {
	for _, c := range []struct {
		name  string
		sent  []byte
		wants []byte
	}{
		{"between frames", []byte{0x81, 2, 'h', 'i'}, closing},
		{"within a frame", []byte{0x81, 40, 'h', 'i'}, nil},
		{"after a close frame", []byte{0x88, 2, 0x3, 0xe8}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rest []byte
			var err error
			try := func() *edge {
				e := newEdge(t, func(w http.ResponseWriter, r *http.Request) error {
					w.WriteHeader(200)
					_, _ = w.Write(c.sent)
					_ = http.NewResponseController(w).Flush()
					_, err := io.Copy(io.Discard, r.Body)
					return err
				})
				body, upload := io.Pipe()
				defer upload.Close()
				r := e.request(t, "alice", body)
				r.Method = http.MethodConnect
				r.Header[":protocol"] = []string{"websocket"}
				resp, dialErr := extendedConnect(t).RoundTrip(r)
				if dialErr != nil {
					t.Fatal(dialErr)
				}
				defer resp.Body.Close()
				got := make([]byte, len(c.sent))
				if _, err := io.ReadFull(resp.Body, got); err != nil {
					t.Fatal(err)
				}
				if n := e.Live(live.WebSocket); n != 1 {
					t.Errorf("%d live", n)
				}
				e.cutAlice(t, 1)
				rest, err = io.ReadAll(resp.Body)
				await(t, e.left)
				return e
			}
			if c.wants != nil {
				inTime(t, try)
			} else {
				try()
			}
			if !bytes.Equal(rest, c.wants) || aborted(err) != (c.wants == nil) {
				t.Errorf("it ended with %q and %v", rest, err)
			}
		})
	}
}

// extendedConnect is a client of RFC 8441, which net/http does not support.
func extendedConnect(t *testing.T) *http2.Transport {
	tr := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

var closing = append([]byte{0x88, 15, 0x3, 0xf0}, "session ended"...)

// A gRPC call ends with a status, unless its handler does not return.
func TestGRPC(t *testing.T) {
	// The client takes this much without reading. The next write then waits.
	const streamWindow = 4 << 20
	var written atomic.Int64
	for _, c := range []struct {
		name  string
		next  handler
		wants string
	}{
		{"stream", func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Content-Type", "application/grpc+proto")
			w.Header().Set("Trailer", "Grpc-Status")
			_ = http.NewResponseController(w).Flush()
			_, err := io.Copy(w, r.Body)
			w.Header().Set("Grpc-Status", "0")
			return err
		}, "16"},
		{"aborts", func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Content-Type", "application/grpc")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}, "16"},
		{"not a gRPC answer", func(w http.ResponseWriter, r *http.Request) error {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return nil
		}, ""},
		{"blocked", func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", "application/grpc")
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return err
				}
				written.Add(1 << 16)
			}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			blocked := c.name == "blocked"
			var got string
			var err error
			try := func() *edge {
				e := newEdge(t, c.next)
				body, upload := io.Pipe()
				defer upload.Close()
				r := e.request(t, "alice", body)
				r.Header.Set("Content-Type", "application/grpc+proto")
				resp, askErr := client(t, 2).Do(r)
				if askErr != nil {
					t.Fatal(askErr)
				}
				defer resp.Body.Close()
				if n := e.Live(live.GRPC); n != 1 {
					t.Errorf("%d live", n)
				}
				for blocked && written.Load() < streamWindow {
					time.Sleep(time.Millisecond)
				}
				e.cutAlice(t, 1)
				await(t, e.left)
				_, err = io.Copy(io.Discard, resp.Body)
				got = resp.Trailer.Get("Grpc-Status")
				return e
			}
			if c.wants != "" {
				inTime(t, try)
			} else {
				try()
			}
			if blocked && got == "16" && err == nil {
				return // the cut came between two writes
			}
			if got != c.wants || aborted(err) != (c.wants == "") {
				t.Errorf("it ended with status %q and %v", got, err)
			}
		})
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{3, 200, 1}, uint8(1))
	f.Add([]byte{0, 125, 126, 255}, uint8(7))
	// Each byte makes a frame whose length is the square of the byte. The
	// stream is written in pieces. A close frame may be written after the end
	// of a frame, and nowhere else.
	f.Fuzz(func(t *testing.T, lengths []byte, piece uint8) {
		var stream []byte
		ends := map[int]bool{0: true}
		for i, l := range lengths {
			size := int(l) * int(l)
			header := []byte{0x82, byte(size)}
			switch {
			case i%3 == 2:
				header = binary.BigEndian.AppendUint64([]byte{0x82, 127}, uint64(size))
			case size > 125:
				header = binary.BigEndian.AppendUint16([]byte{0x82, 126}, uint16(size))
			}
			if l%2 == 1 {
				header[1] |= 0x80
				header = append(header, "mask"...)
			}
			stream = append(append(stream, header...), make([]byte, size)...)
			ends[len(stream)] = true
		}
		if len(stream) > 1<<20 || piece == 0 {
			t.Skip()
		}
		var frames live.Frames
		for at := 0; at < len(stream); {
			n := min(int(piece), len(stream)-at)
			frames.Advance(stream[at : at+n])
			at += n
			if frames.Between() != ends[at] {
				t.Fatalf("after %d of %d bytes a frame can stand: %v", at, len(stream), !ends[at])
			}
		}
	})
}
