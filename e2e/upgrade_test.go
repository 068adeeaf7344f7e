//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"curfew.dev/curfew/internal/gatewaytest"
)

// TestNoTunnelGoesThroughToAnASGIServer has a stranger ask a public route for an
// upgrade to HTTP/2 and, where that succeeds, ask for a guarded path inside.
func TestNoTunnelGoesThroughToAnASGIServer(t *testing.T) {
	t.Parallel()
	service := startHypercorn(t)
	// The attack works where nobody is in between: this test can fail.
	if status, body := askForH2C(t, service); status != http.StatusSwitchingProtocols || body != "/billing/all for root" {
		t.Fatalf("the service itself: %d %q", status, body)
	}
	site := freeAddress(t)
	newGateway(t, newProvider(t), config{Extra: fmt.Sprintf(`

http://%s {
	@guarded not path /public/*
	curfew @guarded
	handle /beside/* {
		reverse_proxy %[2]s
	}
	reverse_proxy %[2]s
}
`, site, service)})
	if status, body := askForH2C(t, site); status != http.StatusOK || body != "/public/x for nobody" {
		t.Errorf("through the gateway: %d %q", status, body)
	}
	resp, err := http.Get("http://" + site + "/billing/all")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a guarded path: %d", resp.StatusCode)
	}
	socket, _, err := websocket.Dial(t.Context(), "ws://"+site+"/public/socket", nil)
	if err != nil {
		t.Fatalf("a WebSocket does not pass: %v", err)
	}
	defer socket.CloseNow()
	if err := socket.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, text, err := socket.Read(t.Context()); err != nil || string(text) != "hello" {
		t.Errorf("a WebSocket: %q, %v", text, err)
	}
}

// startHypercorn runs testdata/asgi.py and returns its address.
func startHypercorn(t *testing.T) string {
	t.Helper()
	const hypercorn = "/usr/bin/hypercorn" // not one of another Python
	if _, err := os.Stat(hypercorn); err != nil {
		gatewaytest.Missing(t, "hypercorn is not installed: install Debian's python3-hypercorn")
	}
	address := freeAddress(t)
	cmd := exec.Command(hypercorn, "--bind", address, "asgi:app")
	cmd.Dir = "testdata"
	cmd.Env = append(os.Environ(), "PYTHONPATH=.", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stderr = logFile(t, "hypercorn")
	p := start(t, cmd)
	t.Cleanup(func() { _ = p.End(syscall.SIGTERM) })
	eventually(t, patience, "the service answers", func() error {
		resp, err := http.Get("http://" + address + "/")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	return address
}

// askForH2C asks for /public/x with an upgrade to HTTP/2. It returns that
// answer, or after a 101 what was answered to a request inside the tunnel.
func askForH2C(t *testing.T, address string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, strings.ReplaceAll(`GET /public/x HTTP/1.1
Host: `+address+`
Connection: Upgrade, HTTP2-Settings
Upgrade: h2c
HTTP2-Settings: AAMAAABkAAQAAP__

`, "\n", "\r\n"))
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	return resp.StatusCode, askInside(t, conn, in, address)
}

// askInside asks for a guarded path on stream 3 as somebody else.
func askInside(t *testing.T, conn io.Writer, in io.Reader, address string) string {
	t.Helper()
	_, _ = io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, in)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "GET"}, {":scheme", "http"}, {":authority", address}, {":path", "/billing/all"}, {"curfew-subject", "root"},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	const stream = 3
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	var body []byte
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("inside the tunnel, after %q: %v", body, err)
		}
		if data, ok := frame.(*http2.DataFrame); ok && data.StreamID == stream {
			body = append(body, data.Data()...)
			if data.StreamEnded() {
				return string(body)
			}
		}
	}
}
