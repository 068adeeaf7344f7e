// Package live knows the requests that were admitted and have not ended, and
// ends them: upgraded connections, event streams, gRPC calls, uploads and
// downloads, of every version of HTTP.
//
// A [Registry] serves each admitted request in a response writer, body and
// context of its own, kept by the account it belongs to. To cut is to judge
// anew: whoever handed a request over is asked whether it would be admitted
// now, so that exempt clients, newer sign-ins and a route's requirements count
// exactly as they do for new requests.
//
// It must never decide for itself who is refused, wait for a handler that was
// cut, or touch a connection whose handler has returned. It imports net/http
// and revocation, and nothing of Caddy.
package live
