// Package adminclient calls the admin API of a gateway: revocations, previews,
// imports, blocks, step-ups, lifts, receipts, searches, sessions, explanations,
// nodes and events. The command line, the demo, the benchmarks and the
// end-to-end tests use it, and programs of operators may.
//
// A call returns an [Answer]. An answer that is not a success is a [*Problem].
// A write carries an idempotency key and is sent again while that may help. If
// a write fails and may have been done all the same, its error is an
// [*InDoubt], which holds the key.
//
// The package must never put an identifier into a URL, because Caddy logs
// URLs. It must never follow a redirect, and never put the bearer secret into
// an error.
//
// Read client.go first (where the API is, and how a request is sent), then
// calls.go and requests.go, retry.go and problem.go, importing.go and events.go.
package adminclient
