// Package admin is the admin API of section 8 of the design as a plain
// [http.Handler]: revocations, blocks and step-ups are written through the
// node, and what stands is read from it.
//
// A request passes the gate (gate.go) in this order: cross-site defences, the
// exact route, the caller, the caller's role, the body. Only then an operation
// (operations.go) sees it. Whatever is refused is a [Problem], and every
// request leaves one audit line.
//
// The package must never import Caddy, never decide what a credential may do,
// never write to the ledger but through the node, and never put an identifier,
// a token or a client's own string into a log line, a metric or a URL.
package admin
