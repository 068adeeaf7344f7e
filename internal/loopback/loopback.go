// Package loopback tells hosts that are on this machine whatever a resolver says.
// Plaintext is allowed to these alone. All of it is in loopback.go.
package loopback

import "net/netip"

// Is reports whether host is localhost, in lower case, or a loopback address
// without a zone. A name below localhost is not: a resolver may send it elsewhere.
func Is(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Zone() == "" && a.Unmap().IsLoopback()
}
