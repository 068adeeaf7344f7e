package login

import "net/http"

// Prefix is the beginning of every path that a [Site] serves.
const Prefix = "/.curfew/"

// Serves reports whether a path, as it was sent, is under [Prefix]. It is
// compared byte for byte.
func Serves(r *http.Request) bool { return false }

// Site serves what is under /.curfew/ on the hosts of one site.
type Site struct {
	all     *SignIns
	signIns []*SignIn
}

// NewSite returns the handler of a site that has these sign-ins.
func (all *SignIns) NewSite(signIns ...*SignIn) *Site { return &Site{all, signIns} }

// ServeHTTP answers every request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// SameOrigin reports whether a request comes from a page of its own origin: by
// Sec-Fetch-Site where it was sent, else by Origin. A request with neither, or with
// Origin null, does not.
func SameOrigin(r *http.Request, secure bool) bool { return false }

// IsNavigation reports whether a browser shows the answer in a window of its own:
// Sec-Fetch-Mode navigate to a document, and neither a prefetch nor a prerender; a
// client without these headers, whether it wants HTML.
func IsNavigation(r *http.Request) bool { return false }
