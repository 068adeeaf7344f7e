// Package outbound asks another party over HTTPS: a provider for its metadata
// and keys, later a token endpoint or a transmitter of signals. An answer comes
// from the origin that was asked, is at most 1 MiB, and arrives within a time.
//
// An attacker may control what a party says, and what a resolver says of it. So
// every address that is dialled is checked after the name was resolved, plain
// http and loopback addresses are for parties that the configuration itself has
// on loopback, redirects stay at the origin, and no proxy of the environment is
// used.
//
// It must never put a query, a header or a body into an error, since each may
// hold a secret, and it knows nothing of tokens.
//
// Read address.go first (which URLs are allowed), then client.go (one request),
// then transport.go (the connection and its guard), then library.go (for libraries
// that ask by themselves).
package outbound
