// Package live keeps the admitted requests that have not ended, and ends them:
// upgraded connections, event streams, gRPC calls, uploads and downloads, of
// every version of HTTP.
//
// A [Registry] serves each admitted request with a response writer, a body and
// a context of its own, and keeps it by the account of its credential. To cut
// requests is to judge them again: the registry asks the [Judge] of each
// request whether it would be admitted now. Exempt clients, newer sign-ins and
// a route's requirements therefore count exactly as they do for new requests.
//
// The package must never decide by itself which request is refused, wait for a
// handler that was cut, or touch a connection after its handler has returned.
// It imports net/http and revocation, and nothing of Caddy.
//
// Read request.go first, then registry.go and cut.go. The files writer.go,
// lifetime.go and conn.go are the three ways in which a handler notices a cut.
// Then read chase.go, expiry.go, farewell.go, frames.go and protocol.go.
package live
