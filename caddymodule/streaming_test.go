package caddymodule_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	_ "curfew.dev/curfew/internal/extendedconnect"
	"curfew.dev/curfew/internal/porttest"
	"curfew.dev/curfew/token/tokentest"
)

// session is something that a user has open.
type session struct {
	token string
	alive func() error  // nil while it works
	wait  func() string // until it ends, and how
	close func()
}

func (s *session) end(t *testing.T) string {
	t.Helper()
	ended := make(chan string, 1)
	go func() { ended <- s.wait() }()
	select {
	case how := <-ended:
		return how
	case <-time.After(patience):
		t.Fatal("it does not end")
		return ""
	}
}

// protocols are the ways to have something open. What is local has no upstream
// that could see the end.
var protocols = []struct {
	name  string
	open  func(*testing.T, *streaming, string, ...tokentest.Claims) *session
	ends  string
	local bool
}{
	{"websocket http1", openWebSocket, "1008", false},
	{"websocket http2", openWebSocketOverHTTP2, "1008", false},
	{"websocket http3", openWebSocketOverHTTP3, "1008", false},
	{"sse http1", openSSE(1), "aborted", false},
	{"sse http2", openSSE(2), "aborted", false},
	{"sse http3", openSSE(3), "aborted", false},
	{"download http1", openDownload(1, "/download"), "aborted", false},
	{"download http2", openDownload(2, "/download"), "aborted", false},
	{"download http3", openDownload(3, "/download"), "aborted", false},
	{"file http1", openDownload(1, "/files/big"), "aborted", true},
	{"file http2", openDownload(2, "/files/big"), "aborted", true},
	{"file http3", openDownload(3, "/files/big"), "aborted", true},
	{"fastcgi http1", openDownload(1, "/fcgi/"), "aborted", true},
	{"upload http1", openUpload(1), "401 urn:curfew:signed-out", false},
	{"upload http2", openUpload(2), "401 urn:curfew:signed-out", false},
	{"upload http3", openUpload(3), "401 urn:curfew:signed-out", false},
	{"grpc stream", openGRPCStream, "Unauthenticated", false},
	{"grpc watch", openGRPCWatch, "Unauthenticated", false},
	{"grpc unary", openGRPCUnary, "Unauthenticated", false},
}

// streaming is a gateway in front of everything that can stay open.
type streaming struct {
	*gateway
	streams *streams
	options []string
	parts   *strings.Replacer
	roots   *x509.CertPool
}

// startStreaming loads a gateway; more are further lines of its sites, options
// those of its guard.
func startStreaming(t *testing.T, more string, options ...string) *streaming {
	t.Helper()
	g := &streaming{gateway: prepare(t), streams: startStreams(t), options: options}
	dir := t.TempDir()
	cert, key := g.certificate(dir)
	port := porttest.Keep(t, 1)[0]
	g.tls = "https://127.0.0.1:" + port
	if err := os.Truncate(touch(t, filepath.Join(dir, "big")), 1<<34); err != nil {
		t.Fatal(err)
	}
	g.parts = strings.NewReplacer("TLSPORT", port, "CERT", cert, "KEY", key, "ROOT", dir,
		"STREAMS", g.streams.http, "GRPC", g.streams.grpc, "FCGI", g.streams.fcgi)
	g.loadStreaming(more)
	g.awaitReady()
	return g
}

func touch(t *testing.T, file string) string {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (g *streaming) loadStreaming(more string) {
	g.t.Helper()
	const routes = `
	curfew {
		OPTIONS
	}
	MORE
	handle_path /files/* {
		root * ROOT
		file_server
	}
	handle /fcgi/* {
		reverse_proxy FCGI {
			transport fastcgi
		}
	}
	@grpc header Content-Type application/grpc*
	handle @grpc {
		reverse_proxy h2c://GRPC
	}
	handle {
		reverse_proxy STREAMS {
			stream_close_delay 1h
			fail_duration 1m
			max_fails 1
		}
	}
`
	const more0 = "MORE"
	ours := strings.NewReplacer("OPTIONS", strings.Join(g.options, "\n"), more0, more).Replace(routes)
	all := "https://127.0.0.1:TLSPORT {\n\ttls CERT KEY\n" + ours + "}\n" + strings.Replace(sites, sites[strings.Index(sites, "\t@guarded"):strings.Index(sites, "}\nhttp://127.0.0.1:ADMINPORT")], ours, 1)
	g.load("\tgrace_period 1s\n"+global, g.parts.Replace(all))
}

// certificate writes a key pair for 127.0.0.1 that its clients trust.
func (g *streaming) certificate(dir string) (cert, key string) {
	g.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		g.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		g.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		g.t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		g.t.Fatal(err)
	}
	g.roots = x509.NewCertPool()
	g.roots.AddCert(parsed)
	return cert, key
}

// client speaks one version of HTTP; 1 in the clear, the others over TLS.
func (g *streaming) client(t *testing.T, version int) *http.Client {
	trust := &tls.Config{RootCAs: g.roots}
	switch version {
	case 2:
		tr := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	case 3:
		tr := &http3.Transport{TLSClientConfig: trust}
		t.Cleanup(func() { _ = tr.Close() })
		return &http.Client{Transport: tr}
	}
	tr := new(http.Transport)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (g *streaming) request(t *testing.T, version int, method, path, token string, body io.Reader) *http.Request {
	t.Helper()
	base := g.app
	if version > 1 {
		base = g.tls
	}
	r, err := http.NewRequest(method, base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func openDownload(version int, path string) func(*testing.T, *streaming, string, ...tokentest.Claims) *session {
	return func(t *testing.T, g *streaming, user string, changes ...tokentest.Claims) *session {
		return openBody(t, g, version, path, user, changes...)
	}
}

// openUpload sends a body that does not end.
func openUpload(version int) func(*testing.T, *streaming, string, ...tokentest.Claims) *session {
	return func(t *testing.T, g *streaming, user string, changes ...tokentest.Claims) *session {
		t.Helper()
		s := &session{token: g.token(user, changes...)}
		body, upload := io.Pipe()
		ended, over := make(chan string, 1), make(chan struct{})
		client := g.client(t, version)
		r := g.request(t, version, http.MethodPost, "/upload", s.token, body)
		go func() {
			defer close(over)
			resp, err := client.Do(r)
			if err != nil {
				ended <- err.Error()
				return
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			ended <- resp.Status[:3] + " " + answer{resp, string(b)}.problem()
		}()
		s.close = func() {
			// To its end: Caddy blames the upstream for an upload that breaks off.
			_ = upload.Close()
			<-over
		}
		t.Cleanup(s.close)
		s.alive = func() error {
			_, err := upload.Write([]byte("more"))
			g.streams.awaitPart(t, user)
			return err
		}
		s.wait = func() string { return <-ended }
		return s
	}
}

// openWebSocketOverHTTP2 opens one by extended CONNECT (RFC 8441).
func openWebSocketOverHTTP2(t *testing.T, g *streaming, user string, changes ...tokentest.Claims) *session {
	t.Helper()
	return openExtendedConnect(t, g, 2, user, changes...)
}

// openWebSocketOverHTTP3 does the same over QUIC (RFC 9220).
func openWebSocketOverHTTP3(t *testing.T, g *streaming, user string, changes ...tokentest.Claims) *session {
	t.Helper()
	return openExtendedConnect(t, g, 3, user, changes...)
}

// openExtendedConnect speaks the frames of a WebSocket by hand.
func openExtendedConnect(t *testing.T, g *streaming, version int, user string, changes ...tokentest.Claims) *session {
	t.Helper()
	s := &session{token: g.token(user, changes...)}
	resp, upload := g.askForWebSocket(t, version, s.token)
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	s.close = func() { _, _ = upload.Close(), resp.Body.Close() }
	t.Cleanup(s.close)
	s.alive = func() error {
		// A text frame, masked with zeros.
		if _, err := upload.Write(append([]byte{0x81, 0x85, 0, 0, 0, 0}, "hello"...)); err != nil {
			return err
		}
		_, err := io.ReadFull(resp.Body, make([]byte, 7))
		return err
	}
	s.wait = func() string {
		b, err := io.ReadAll(resp.Body)
		if err == nil && len(b) > 3 && b[0] == 0x88 {
			return fmt.Sprint(binary.BigEndian.Uint16(b[2:]))
		}
		return "aborted"
	}
	return s
}

// askForWebSocket sends an extended CONNECT, without a credential if token is empty.
func (g *streaming) askForWebSocket(t *testing.T, version int, token string) (*http.Response, io.WriteCloser) {
	t.Helper()
	body, upload := io.Pipe()
	r := g.request(t, version, http.MethodConnect, "/ws", token, body)
	if token == "" {
		r.Header.Del("Authorization")
	}
	r.Header.Set("Sec-WebSocket-Version", "13")
	transport := g.client(t, version).Transport
	if version == 2 {
		r.Header[":protocol"] = []string{"websocket"}
		transport = g.extendedConnect(t)
	} else {
		r.Proto = "websocket"
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp, upload
}

// extendedConnect is a client that can do it, which that of net/http can't.
func (g *streaming) extendedConnect(t *testing.T) http.RoundTripper {
	tr := &http2.Transport{TLSClientConfig: &tls.Config{RootCAs: g.roots}} //lint:ignore SA1019 see above
	t.Cleanup(tr.CloseIdleConnections)                                     //lint:ignore SA1019 see above
	return tr
}

func (g *streaming) grpc(t *testing.T, user string, changes ...tokentest.Claims) (*session, *grpc.ClientConn, context.Context) {
	t.Helper()
	s := &session{token: g.token(user, changes...)}
	conn, err := grpc.NewClient(strings.TrimPrefix(g.tls, "https://"),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: g.roots})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+s.token))
	s.close = cancel
	t.Cleanup(func() { cancel(); _ = conn.Close() })
	return s, conn, ctx
}

func openGRPCStream(t *testing.T, g *streaming, user string, changes ...tokentest.Claims) *session {
	t.Helper()
	s, conn, ctx := g.grpc(t, user, changes...)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/Echo")
	if err != nil {
		t.Fatal(err)
	}
	s.alive = func() error {
		if err := stream.SendMsg(new(health.HealthCheckRequest)); err != nil {
			return err
		}
		return stream.RecvMsg(new(health.HealthCheckRequest))
	}
	s.wait = func() string { return status.Code(stream.RecvMsg(new(health.HealthCheckRequest))).String() }
	return s
}

func openGRPCWatch(t *testing.T, g *streaming, user string, changes ...tokentest.Claims) *session {
	t.Helper()
	s, conn, ctx := g.grpc(t, user, changes...)
	stream, err := health.NewHealthClient(conn).Watch(ctx, new(health.HealthCheckRequest))
	if err != nil {
		t.Fatal(err)
	}
	s.alive = func() error {
		_, err := stream.Recv()
		return err
	}
	s.wait = func() string {
		for {
			if _, err := stream.Recv(); err != nil {
				return status.Code(err).String()
			}
		}
	}
	return s
}

// openGRPCUnary makes a call that is not answered.
func openGRPCUnary(t *testing.T, g *streaming, user string, changes ...tokentest.Claims) *session {
	t.Helper()
	s, conn, ctx := g.grpc(t, user, changes...)
	ended := make(chan string, 1)
	go func() {
		_, err := health.NewHealthClient(conn).Check(ctx, new(health.HealthCheckRequest))
		ended <- status.Code(err).String()
	}()
	g.streams.awaitPart(t, user)
	s.alive = func() error {
		select {
		case how := <-ended:
			return status.Error(codes.Unknown, how)
		default:
			return nil
		}
	}
	s.wait = func() string { return <-ended }
	return s
}

// streams are upstreams that keep everything open, and tell who left.
type streams struct {
	http, grpc, fcgi string

	mu     sync.Mutex
	ended  map[string]chan struct{} // by user
	parted map[string]chan struct{}
}

func startStreams(t *testing.T) *streams {
	t.Helper()
	s := &streams{ended: make(map[string]chan struct{}), parted: make(map[string]chan struct{})}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.http = server.Listener.Addr().String()
	calls := grpc.NewServer(grpc.UnknownServiceHandler(s.echo))
	health.RegisterHealthServer(calls, &healthServer{streams: s})
	s.grpc = s.listen(t, calls.Serve)
	t.Cleanup(calls.Stop)
	s.fcgi = s.listen(t, func(l net.Listener) error { return fcgi.Serve(l, http.HandlerFunc(s.download)) })
	return s
}

func (s *streams) listen(t *testing.T, serve func(net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { _ = serve(l) }()
	return l.Addr().String()
}

func of(m map[string]chan struct{}, user string) chan struct{} {
	if m[user] == nil {
		m[user] = make(chan struct{}, 100)
	}
	return m[user]
}

func (s *streams) tell(m map[string]chan struct{}, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of(m, user) <- struct{}{}
}

func (s *streams) await(t *testing.T, m map[string]chan struct{}, user, what string) {
	t.Helper()
	s.mu.Lock()
	c := of(m, user)
	s.mu.Unlock()
	select {
	case <-c:
	case <-time.After(patience):
		t.Errorf("the upstream did not see %s of %s", what, user)
	}
}

// awaitEnd waits until the upstream has seen that a user is gone.
func (s *streams) awaitEnd(t *testing.T, user string) {
	t.Helper()
	s.await(t, s.ended, user, "the end")
}

func (s *streams) awaitPart(t *testing.T, user string) {
	t.Helper()
	s.await(t, s.parted, user, "a part")
}

func (s *streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := r.Header.Get("Curfew-Subject")
	if r.URL.Path == "/hello" {
		_, _ = io.WriteString(w, "hello")
		return
	}
	defer s.tell(s.ended, user)
	switch r.URL.Path {
	case "/sse":
		s.events(w, r)
	case "/download":
		s.download(w, r)
	case "/ws":
		s.websocket(w, r)
	case "/upload":
		for b := make([]byte, 4); ; {
			if _, err := io.ReadFull(r.Body, b); err != nil {
				return
			}
			s.tell(s.parted, user)
		}
	}
}

func (s *streams) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *streams) download(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	for b := make([]byte, 1<<14); r.Context().Err() == nil; {
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}

func (s *streams) websocket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, b, err := c.Read(context.Background())
		if err != nil || c.Write(context.Background(), kind, b) != nil {
			return
		}
	}
}

// subject is whom the gateway told the gRPC upstream of.
func subject(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	return strings.Join(md.Get("curfew-subject"), ",")
}

func (s *streams) echo(_ any, stream grpc.ServerStream) error {
	defer s.tell(s.ended, subject(stream.Context()))
	for {
		m := new(health.HealthCheckRequest)
		if err := stream.RecvMsg(m); err != nil {
			return err
		}
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
}

type healthServer struct {
	health.UnimplementedHealthServer
	streams *streams
}

func (h *healthServer) Check(ctx context.Context, _ *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	h.streams.tell(h.streams.parted, subject(ctx))
	defer h.streams.tell(h.streams.ended, subject(ctx))
	<-ctx.Done()
	return nil, ctx.Err()
}

func (h *healthServer) Watch(_ *health.HealthCheckRequest, stream grpc.ServerStreamingServer[health.HealthCheckResponse]) error {
	defer h.streams.tell(h.streams.ended, subject(stream.Context()))
	for {
		if err := stream.Send(new(health.HealthCheckResponse)); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
