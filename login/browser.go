package login

import (
	"net/http"
	"strings"

	"curfew.dev/curfew/internal/origin"
)

// IsNavigation reports whether a browser shows the answer in a window of its own:
// Sec-Fetch-Mode navigate to a document, and neither a prefetch nor a prerender; a
// client without these headers, whether it wants HTML.
func IsNavigation(r *http.Request) bool {
	if len(r.Header["Sec-Purpose"]) > 0 || len(r.Header["Purpose"]) > 0 {
		return false
	}
	mode, dest := r.Header["Sec-Fetch-Mode"], r.Header["Sec-Fetch-Dest"]
	if len(mode)+len(dest) == 0 {
		return strings.Contains(r.Header.Get("Accept"), "text/html")
	}
	return len(mode) == 1 && mode[0] == "navigate" && len(dest) == 1 && dest[0] == "document"
}

// SameOrigin reports whether a request comes from a page of its own origin: by
// Sec-Fetch-Site where it was sent, else by Origin. A request with neither, or with
// Origin null, does not.
func SameOrigin(r *http.Request, secure bool) bool {
	switch site := r.Header["Sec-Fetch-Site"]; {
	case len(site) == 1:
		return site[0] == "same-origin"
	case len(site) > 1:
		return false
	}
	from := r.Header["Origin"]
	return len(from) == 1 && isOrigin(from[0], r, secure)
}

// fromElsewhere reports whether a browser says that a page of another origin has
// made a request. A client that says nothing is no browser of today.
func fromElsewhere(r *http.Request, secure bool) bool {
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 0 {
		return len(site) > 1 || site[0] != "same-origin" && site[0] != "none"
	}
	from := r.Header["Origin"]
	return len(from) > 1 || len(from) == 1 && !isOrigin(from[0], r, secure)
}

func isOrigin(value string, r *http.Request, secure bool) bool {
	tls := origin.EndsHere
	if secure {
		tls = origin.MayEndEarlier
	}
	return secure == strings.HasPrefix(value, "https://") && origin.IsOf(value, r, tls)
}

// early reports whether a request came in TLS early data (RFC 8470), so that
// somebody may have copied and repeated it.
func early(r *http.Request) bool {
	return r.Header.Get("Early-Data") == "1" || r.TLS != nil && !r.TLS.HandshakeComplete
}
