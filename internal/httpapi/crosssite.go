package httpapi

import (
	"net/http"
	"strings"

	"curfew.dev/curfew/internal/origin"
)

// fromAnotherSite refuses what a foreign page can make a browser send. It needs
// no credential to judge, and comes before everything else: where the caller
// is let in for being local, it is all there is.
func fromAnotherSite(r *http.Request) *Problem {
	if origins := r.Header.Values("Origin"); len(origins) > 1 || len(origins) == 1 && !origin.IsOf(origins[0], r, origin.EndsHere) {
		return CrossSite.Because("the Origin is not this one")
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return CrossSite.Because("a browser says that the request comes from another site")
		}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.ContentLength != 0 && needsNoPreflight(r) {
		return CrossSite.Because("a body of this content type can be sent by any page; use application/json")
	}
	return nil
}

// needsNoPreflight reports whether the content type is one of the three that
// the Fetch standard lets any page send, or missing.
func needsNoPreflight(r *http.Request) bool {
	switch media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.ToLower(strings.TrimSpace(media)) {
	case "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data":
		return true
	}
	return len(r.Header.Values("Content-Type")) > 1
}
