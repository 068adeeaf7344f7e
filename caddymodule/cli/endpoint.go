package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// endpoint is Caddy's admin endpoint: how to reach it.
type endpoint struct {
	network, address string
	// origin is scheme and host of the URLs; a socket has a made-up one.
	origin string
	socket bool
}

// parseEndpoint reads an address as Caddy writes it: host:port, unix//path or
// unix//path|0220.
func parseEndpoint(address string) (endpoint, error) {
	a, err := caddy.ParseNetworkAddress(address)
	switch {
	case err != nil:
		return endpoint{}, fmt.Errorf("reading --address %q: %w", address, err)
	case a.IsUnixNetwork():
		path, _, _ := strings.Cut(a.Host, "|") // the permissions, which are for the listener
		return endpoint{network: a.Network, address: path, origin: "http://127.0.0.1", socket: true}, nil
	case !strings.HasPrefix(a.Network, "tcp") || a.PortRangeSize() != 1 || a.StartPort == 0:
		return endpoint{}, fmt.Errorf("reading --address %q: want host:port or unix//path", address)
	}
	host := a.JoinHostPort(0)
	return endpoint{network: a.Network, address: host, origin: "http://" + host}, nil
}

// client talks to this endpoint directly: no proxy, no redirect elsewhere.
func (e endpoint) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				d := net.Dialer{Timeout: 5 * time.Second}
				return d.DialContext(ctx, e.network, e.address)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
