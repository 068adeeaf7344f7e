// Package httpapi serves JSON APIs behind one gate. A room describes each route
// as an [Operation], adds it with a handler by [Add], and gets an http.Handler
// with an OpenAPI document. The framework underneath does not show.
//
// The gate judges a request in this order: cross-site defences, the exact route,
// the caller, the caller's role, the caller's quota, the body. A handler gets only
// requests that pass. A refusal is a [Problem], and every request leaves one audit
// line.
//
// The package must never know what an operation is good for, and never put an
// identifier, a token or a client's own string into a log line, a metric or a URL.
//
// Read api.go, operation.go, gate.go and call.go for a request's way; problem.go,
// crosssite.go, router.go, caller.go, bearer.go, judge.go and quota.go for what the
// gate asks; cursor.go for pages; openapi.go and schema.go for the document.
package httpapi
