package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// ErrAddress is wrapped by the errors for a URL that must not be asked.
var ErrAddress = errors.New("the URL must not be asked")

// RequireSecure allows https to any host, and http to a loopback host only.
func RequireSecure(u *url.URL) error {
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%s://%s is not https: use https (http is for loopback only)", u.Scheme, u.Host)
}

// isLoopback reports whether a host name or address means this machine by
// itself, without asking a resolver. It is wider than the rule of package
// loopback: it also decides what a remote party must not name. So it knows every
// spelling: any case, a final dot, names below localhost, addresses with a zone.
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func isLoopbackURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isLoopback(u.Hostname())
}

// Allows returns nil if the client may ask a URL, which the party may have
// named: an absolute one without a user, with https. Loopback, with http or
// https, is allowed only where the party itself is there: a remote one can't
// point the gateway at its own machine. Errors wrap [ErrAddress].
func (c *Client) Allows(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("%w: it is not an absolute URL without a user", ErrAddress)
	}
	if err := RequireSecure(u); err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if isLoopback(u.Hostname()) && !c.loopback {
		return fmt.Errorf("%w: it is on loopback, and the party that names it is not", ErrAddress)
	}
	return nil
}
