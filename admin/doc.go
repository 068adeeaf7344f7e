// Package admin is the admin API of section 8 of the design as a plain
// [http.Handler]: revocations, blocks and step-ups are written through the node,
// and read from its ledger and its index.
//
// Package revocation makes the records: the API translates a request into a
// draft, and the error of a draft into a pointer and a problem type.
//
// Package httpapi is the gate that each request passes first. Each resource is one
// file: its request, its operation, its example, its handler. register, in
// operations.go, lists them.
//
// The package must never import Caddy, never decide what a credential may do,
// never write to the ledger except through the node, and never put an identifier,
// a token or a client's own string into a log line, a metric or a URL.
//
// Read admin.go and operations.go first, then the way of a write: revocations.go,
// request.go, plan.go, submit.go, wait.go. The other resources are in devices.go,
// holds.go, preview.go, importer.go, search.go, sessions.go, answers.go and
// events.go. problem.go, bounds.go, receipt.go and memory.go serve them all.
package admin
