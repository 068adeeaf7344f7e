package cli

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// scripted is a gateway whose answers are files of a script. The answer to
// POST /curfew/v1/revocations is api/POST_revocations, the second one
// api/POST_revocations.2 if there is one; a file holds an HTTP response, and
// one that holds "hang up" ends the connection. What was asked is written to
// the file requests.
type scripted struct {
	dir, host string

	mu    sync.Mutex
	asked map[string]int
	keys  []string // idempotency keys in the order they were first seen
}

// serve starts a gateway for a script, on TCP and on a socket.
func serve(env *testscript.Env) (address string, err error) {
	g := &scripted{dir: env.WorkDir, asked: map[string]int{}}
	tcp := httptest.NewUnstartedServer(g)
	g.host = tcp.Listener.Addr().String()
	tcp.Start()
	env.Defer(tcp.Close)
	socket, err := net.Listen("unix", filepath.Join(env.WorkDir, "admin.sock"))
	if err != nil {
		return "", err
	}
	local := httptest.NewUnstartedServer(g)
	local.Listener.Close()
	local.Listener = socket
	local.Start()
	env.Defer(local.Close)
	return g.host, nil
}

func (g *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	path, n := g.note(r, body)
	answer, err := os.ReadFile(path + "." + fmt.Sprint(n))
	if err != nil {
		answer, err = os.ReadFile(path)
	}
	switch {
	case err != nil:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"error":"unknown object"}`)
	case strings.TrimSpace(string(answer)) == "hang up":
		panic(http.ErrAbortHandler)
	default:
		replay(w, r, string(answer))
	}
}

func replay(w http.ResponseWriter, r *http.Request, answer string) {
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}

// note writes a request down and says where its answer is, and which it is.
func (g *scripted) note(r *http.Request, body []byte) (path string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.RequestURI)
	if want := "http://" + g.host; r.Host == g.host && r.Header.Get("Origin") != want {
		fmt.Fprintf(&b, "origin is %q, want %q\n", r.Header.Get("Origin"), want)
	}
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		fmt.Fprintf(&b, "key %d\n", g.numberOf(key))
	}
	for _, name := range []string{"Content-Type", "Last-Event-ID", "Authorization"} {
		if v := r.Header.Get(name); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	if len(body) > 0 {
		fmt.Fprintf(&b, "%s\n", strings.TrimSpace(string(body)))
	}
	f, err := os.OpenFile(filepath.Join(g.dir, "requests"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := io.WriteString(f, b.String()); err != nil {
		panic(err)
	}
	name := r.Method + "_" + strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/curfew/v1"), "/"), "/", "_")
	g.asked[name]++
	return filepath.Join(g.dir, "api", name), g.asked[name]
}

func (g *scripted) numberOf(key string) int {
	for i, k := range g.keys {
		if k == key {
			return i + 1
		}
	}
	g.keys = append(g.keys, key)
	return len(g.keys)
}
