package devidp

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"curfew.dev/curfew/internal/loopback"
)

// issuerHost returns the host:port of an issuer on loopback. It refuses every
// name, even localhost: the resolver of a name would decide which server gets
// the password.
func issuerHost(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil || issuer != "http://"+u.Host || !isLoopback(u.Host) {
		return "", fmt.Errorf("checking issuer %q: want http://ADDRESS:PORT with a loopback address "+
			"such as http://127.0.0.1:9000 and nothing after it; this provider is for development only", issuer)
	}
	return u.Host, nil
}

// isLoopback reports whether address is IP:port with a loopback IP. It is stricter
// than [loopback.Is], which allows the name localhost.
func isLoopback(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().Zone() == "" && a.Addr().Unmap().IsLoopback()
}

func checkListener(l net.Listener) error {
	if a := l.Addr(); a.Network() != "tcp" || !isLoopback(a.String()) {
		return fmt.Errorf("checking listener %s: it is reachable from elsewhere; "+
			"listen on 127.0.0.1 or [::1], this provider is for development only", a)
	}
	return nil
}

// checkRedirectURI refuses a URI that would send authorization codes to another
// machine.
func checkRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil ||
		u.Opaque != "" || strings.Contains(uri, "#") || !isLocalName(u.Hostname()) {
		return fmt.Errorf("checking redirect URI %q: want http or https on a loopback address, "+
			"localhost or a name below .localhost, without user and fragment", uri)
	}
	return nil
}

// isLocalName also allows names below localhost, which browsers keep on this
// machine (RFC 6761 section 6.3).
func isLocalName(host string) bool {
	return loopback.Is(host) || strings.HasSuffix(host, ".localhost")
}

// onlyLoopback refuses peers on other machines, and every Host but the
// issuer's. A page of another origin whose name is rebound to loopback sends
// its own Host.
func onlyLoopback(host string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isLoopback(r.RemoteAddr):
			http.Error(w, "this provider is for development and serves its own machine only", http.StatusForbidden)
		case r.Host != host:
			http.Error(w, "this provider answers to its issuer's host and port only", http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
