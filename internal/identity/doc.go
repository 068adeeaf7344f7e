// Package identity writes the facts of a credential into request headers, and
// keeps every spelling of these headers out of the requests that clients send.
// A server behind the gateway trusts the headers, so nothing that a client
// writes may arrive under one of their names: not in another case or with other
// separators, not as a trailer, and not as an order in Connection to drop one.
//
// The package must never read a credential: its caller verifies it and passes
// the facts.
//
// Read headers.go, then names.go, trailer.go, hops.go and encode.go.
package identity
