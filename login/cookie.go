package login

import "net/http"

// Cookies are the names of our cookies.
type Cookies struct{ Session, Device, Attempt string }

// CookiesOf are the names over https, or over http to a loopback host.
func CookiesOf(secure bool) Cookies {
	if secure {
		return Cookies{"__Host-curfew", "__Host-curfew-device", "__Host-curfew-attempt"}
	}
	return Cookies{"curfew-dev", "curfew-dev-device", "curfew-dev-attempt"}
}

// HostOf is the host of a request as sessions are bound to it: lower case, no
// port, no final dot. It does not allocate for a host that is so already.
func HostOf(r *http.Request) string { return r.Host }

// Read returns the value of a cookie without allocating. two tells that there
// are several of the name.
func Read(h http.Header, name string) (value string, two bool) { return "", false }

// Delete has the browser delete a cookie of ours.
func Delete(h http.Header, name string) {}

// StripRequest takes our cookies out of a request.
func StripRequest(h http.Header) {}

// StripResponse takes our cookies out of what an upstream sets.
func StripResponse(h http.Header) {}
