package live

import (
	"net/http"
	"strings"
)

// Protocol is the protocol of a live request, as far as the way to end the
// request depends on it.
type Protocol uint8

// The protocols.
const (
	HTTP1 Protocol = iota
	HTTP2
	HTTP3
	WebSocket
	GRPC

	numProtocols
)

var protocolNames = [numProtocols]string{"http1", "http2", "http3", "websocket", "grpc"}

// String is the protocol's label in metrics.
func (p Protocol) String() string { return protocolNames[p] }

// Protocols lists all protocols.
func Protocols() []Protocol { return []Protocol{HTTP1, HTTP2, HTTP3, WebSocket, GRPC} }

func protocolOf(r *http.Request) Protocol {
	switch {
	case isWebSocket(r):
		return WebSocket
	case r.ProtoMajor >= 2 && isGRPC(r.Header):
		return GRPC
	case r.ProtoMajor == 2:
		return HTTP2
	case r.ProtoMajor == 3:
		return HTTP3
	}
	return HTTP1
}

// isWebSocket recognizes the upgrade of HTTP/1.1 (RFC 6455) and extended
// CONNECT (RFC 8441, RFC 9220). net/http keeps :protocol among the headers, and
// quic-go keeps it in Proto.
func isWebSocket(r *http.Request) bool {
	if r.Method == http.MethodConnect {
		return r.Proto == "websocket" || first(r.Header[":protocol"]) == "websocket"
	}
	return r.ProtoMajor == 1 && strings.EqualFold(first(r.Header["Upgrade"]), "websocket")
}

// isGRPC recognizes gRPC by its content type. It leaves out gRPC-Web, which
// carries its status in the body and ends like any other response.
func isGRPC(h http.Header) bool {
	rest, ok := strings.CutPrefix(first(h["Content-Type"]), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
