package caddymodule_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// wire is a connection on which a test says exactly what it wants, where
// net/http would tidy it up.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// dial connects to the site at a base URL.
func dial(t *testing.T, base string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &wire{t, conn, bufio.NewReader(conn)}
}

// say sends the text with its line ends as HTTP wants them.
func (w *wire) say(text string) {
	w.t.Helper()
	if err := w.send(text); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) send(text string) error {
	_, err := io.WriteString(w.conn, strings.ReplaceAll(text, "\n", "\r\n"))
	return err
}

// hear reads one response, or says that the connection was closed instead.
func (w *wire) hear(method string) (answer, bool) {
	w.t.Helper()
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		return answer{}, false
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return answer{resp, string(b)}, true
}

// ask sends one request without a body on a connection of its own. Lines are
// header lines. Who has heard enough may answer before all of it is sent.
func (g *gateway) ask(method, target string, lines ...string) answer {
	g.t.Helper()
	w := dial(g.t, g.app)
	defer w.conn.Close()
	_ = w.send(method + " " + target + " HTTP/1.1\nHost: " + g.host() + "\nConnection: close\n" + strings.Join(append(lines, ""), "\n") + "\n")
	a, ok := w.hear(method)
	if !ok {
		// net/http closes without a word on what it can't read at all.
		return answer{&http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}}, ""}
	}
	return a
}

func (g *gateway) host() string { return strings.TrimPrefix(g.app, "http://") }

// h2c speaks HTTP/2 without TLS.
func h2c(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// overH2C does what get does, over HTTP/2.
func (g *gateway) overH2C(c *http.Client, method, path string, header http.Header) (answer, error) {
	req, err := http.NewRequest(method, g.app+path, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header = header
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp, string(b)}, err
}

// withH2C lets the sites speak HTTP/2 without TLS too.
const withH2C = "\n\tservers {\n\t\tprotocols h1 h2 h2c\n\t}\n"

// jsonOf decodes an object.
func jsonOf(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return m
}
