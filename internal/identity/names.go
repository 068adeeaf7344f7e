package identity

import "strings"

// prefix of the headers that no configuration can map.
const prefix = "Curfew-"

// reserved are headers that can't carry identity: they mean something else to
// HTTP or to proxies.
var reserved = []string{
	"Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Host", "Keep-Alive", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "X-Forwarded-For", "X-Forwarded-Host",
	"X-Forwarded-Proto", "Forwarded", "Via",
}

// carries reports whether a header's name is one that identity travels in.
func (h *Headers) carries(name string) bool {
	name = strings.TrimSpace(name)
	if isOurs(name) {
		return true
	}
	for i := range h.mapped {
		if Same(name, h.mapped[i].Header) {
			return true
		}
	}
	return false
}

func isOurs(name string) bool { return len(name) >= len(prefix) && Same(name[:len(prefix)], prefix) }

// Same reports whether some server may take two names of headers for one.
func Same(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if fold(a[i]) != fold(b[i]) {
			return false
		}
	}
	return true
}

// fold lower-cases a byte of a header's name and makes one character of those
// that servers may fold together: CGI turns every character that is neither a
// letter nor a digit into "_".
func fold(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	}
	return '-'
}
