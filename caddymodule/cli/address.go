package cli

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// place is where Caddy's admin endpoint listens.
type place struct {
	network, address string
	// origin is scheme and host of the URLs; a socket has a made-up one.
	origin string
	socket bool
}

// parsePlace reads an address as Caddy writes it: host:port, unix//path or
// unix//path|0220.
func parsePlace(address string) (place, error) {
	a, err := caddy.ParseNetworkAddress(address)
	switch {
	case err != nil:
		return place{}, fmt.Errorf("reading --address %q: %w", address, err)
	case a.IsUnixNetwork():
		path, _, _ := strings.Cut(a.Host, "|") // the permissions, which are for the listener
		return place{network: a.Network, address: path, origin: "http://127.0.0.1", socket: true}, nil
	case !strings.HasPrefix(a.Network, "tcp") || a.PortRangeSize() != 1 || a.StartPort == 0:
		return place{}, fmt.Errorf("reading --address %q: want host:port or unix//path", address)
	}
	host := a.JoinHostPort(0)
	return place{network: a.Network, address: host, origin: "http://" + host}, nil
}
