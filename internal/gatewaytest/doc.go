// Package gatewaytest runs gateways for tests: in this process, or as processes
// that a test may stop, kill and start again. Each has directories of its own, so
// that a test neither reads nor changes what is the developer's.
//
// It must never know what a test asks its gateway, and code that ships must never
// import it.
//
// Read loaded.go for a gateway in this process. Read process.go (a child), then
// gateway.go (Caddy as a child), then run.go (what a whole package of such tests
// needs).
package gatewaytest
