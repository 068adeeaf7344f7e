package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
)

// gateway is the admin API on the admin endpoint of a running Caddy. The client
// is there when a command runs.
type gateway struct {
	*adminclient.Client
	address string
}

func (g *gateway) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.address, "address", caddy.DefaultAdminListen, "Admin endpoint of Caddy: host:port or unix//path")
	cmd.PreRunE = run(func(*cobra.Command, []string) (err error) {
		g.Client, err = dial(g.address)
		return err
	})
}

// dial makes a client of an address as Caddy writes it: host:port, unix//path or
// unix//path|0220.
func dial(address string) (*adminclient.Client, error) {
	network, dialed, err := parseAddress(address)
	if err != nil {
		return nil, fmt.Errorf("reading --address %q: %w", address, err)
	}
	c := adminclient.Local(network, dialed)
	c.Name = address + ": is Caddy running? --address or CADDY_ADMIN names its admin endpoint"
	return c, nil
}

func parseAddress(address string) (network, dialed string, err error) {
	a, err := caddy.ParseNetworkAddress(address)
	switch {
	case err != nil:
		return "", "", err
	case a.IsUnixNetwork():
		path, _, _ := strings.Cut(a.Host, "|") // the permissions are for the listener
		return a.Network, path, nil
	case !strings.HasPrefix(a.Network, "tcp") || a.PortRangeSize() != 1 || a.StartPort == 0:
		return "", "", errors.New("want host:port or unix//path")
	}
	return a.Network, a.JoinHostPort(0), nil
}
