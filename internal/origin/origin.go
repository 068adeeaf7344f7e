// Package origin compares web origins: scheme, host and port (RFC 6454). A
// difference between two readers of an origin would let a page of another site
// use a browser's cookies or reach the admin API.
//
// It must never resolve a name or read a header other than Host. All of it is in
// origin.go.
package origin

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
)

// Same reports whether two URLs have the same origin (RFC 6454 section 5).
func Same(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// TLS says where the TLS of a client's connection ends.
type TLS uint8

const (
	// EndsHere means that a request which came without TLS was sent without TLS.
	EndsHere TLS = iota
	// MayEndEarlier means that a proxy in front may have ended TLS. A request that
	// came without TLS may then be one of an https origin.
	MayEndEarlier
)

// IsOf reports whether value, as the Origin header has it, is the origin to which
// r was sent. It returns false for null, and for a value with user information, a
// path, a query or a fragment. The caller must refuse a second Origin header.
func IsOf(value string, r *http.Request, tls TLS) bool {
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || value[len(u.Scheme):] != "://"+u.Host {
		return false
	}
	plain := u.Scheme == "http" && r.TLS == nil
	secure := u.Scheme == "https" && (r.TLS != nil || tls == MayEndEarlier)
	return (plain || secure) && Same(u, &url.URL{Scheme: u.Scheme, Host: r.Host})
}
