package live

import (
	"net"
	"net/http"
)

// polite reports whether a response that has begun can still end with a
// farewell: the trailers of gRPC, or the close frame of a WebSocket over HTTP/2
// or 3.
func (q *Request) polite() bool {
	return q.protocol == GRPC || q.frames != nil
}

// farewell writes these trailers or the close frame. It reports whether it did.
// The caller must not call it after the response was severed.
func (q *Request) farewell(why *Refusal) bool {
	switch {
	case q.protocol == GRPC && isGRPC(q.Header()):
		// Trailers that the upstream announced may carry another status.
		h := q.Header()
		h.Del("Grpc-Status")
		h.Set(http.TrailerPrefix+"Grpc-Status", grpcStatus(why.Status))
		h.Set(http.TrailerPrefix+"Grpc-Message", closeReason)
		return true
	case q.frames != nil && q.frames.between():
		_, err := q.ResponseWriter.Write(closeFrame(why.CloseCode))
		return err == nil
	}
	return false
}

// reset breaks the connection of an HTTP/1.0 response with a TCP reset. Such a
// response may end with the connection, so a client would take a regular close
// for the complete response.
func (q *Request) reset() {
	c, _, err := http.NewResponseController(q.ResponseWriter).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	below := c
	if over, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		below = over.NetConn()
	}
	if tcp, ok := below.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
}

// grpcStatus returns the status that gRPC clients derive from an HTTP status,
// so that a call that is cut ends like a call that is refused.
func grpcStatus(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "16" // UNAUTHENTICATED
	case http.StatusForbidden:
		return "7" // PERMISSION_DENIED
	}
	return "14" // UNAVAILABLE
}
