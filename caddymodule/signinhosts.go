package caddymodule

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// signInSpot is a position of a `curfew_sign_in`, or of a guard that takes
// sessions.
type signInSpot struct {
	server *caddyhttp.Server
	hosts  []string // that a matcher names; nil: any
	names  []string
	place  place
}

// serves reports whether requests for a host on a server come to the spot. An empty
// host stands for any.
func (s *signInSpot) serves(server *caddyhttp.Server, host string) bool {
	return s.server == server && (s.hosts == nil || host != "" && slices.ContainsFunc(s.hosts, func(h string) bool { return covers(h, host) }))
}

// offered checks that each guard with sessions stands on a site that offers its
// sign-ins. A browser without a session is sent there.
func (s *survey) offered() error {
	for _, g := range s.takers {
		hosts := g.hosts
		if hosts == nil {
			hosts = []string{""}
		}
		for _, name := range g.names {
			for _, host := range hosts {
				if !slices.ContainsFunc(s.offers, func(o signInSpot) bool { return o.serves(g.server, host) && slices.Contains(o.names, name) }) {
					return g.place.name(fmt.Errorf("session %s: the site does not offer that sign-in: add `curfew_sign_in %s` to it", name, name))
				}
			}
		}
	}
	return nil
}

// addOrigins tells the sign-ins where each host of their sites is: in the
// configuration, since a request can name any host.
func (s *survey) addOrigins(a *App, app *caddyhttp.App) error {
	for _, o := range s.offers {
		for _, name := range o.names {
			if a.signIn(name) == nil {
				return o.place.name(unknownSignIn(name))
			}
			if err := o.addOrigins(a, app, name); err != nil {
				return o.place.name(err)
			}
		}
	}
	for _, c := range a.SignIns {
		if c.Callback == nil || len(s.offers) == 0 {
			continue
		}
		host := c.Callback.host()
		if !slices.ContainsFunc(s.offers, func(o signInSpot) bool {
			return slices.Contains(o.names, c.Name) && (o.hosts == nil || slices.ContainsFunc(o.hosts, func(h string) bool { return covers(h, host) }))
		}) {
			a.log.Warn("no site of this configuration serves the callback of a sign-in: unless another gateway does, nobody can sign in; "+
				"add a site with curfew_sign_in", "sign_in", c.Name, "callback", c.Callback.Origin)
		}
	}
	return nil
}

// covers reports whether a host of a matcher, in which a wildcard stands for one
// label, is for a host.
func covers(pattern, host string) bool {
	patterns, labels := strings.Split(pattern, "."), strings.Split(host, ".")
	if len(patterns) != len(labels) {
		return false
	}
	for i, label := range labels {
		if patterns[i] != "*" && !strings.EqualFold(patterns[i], label) {
			return false
		}
	}
	return true
}

func (o *signInSpot) addOrigins(a *App, app *caddyhttp.App, name string) error {
	signIn, shared := a.signIns.Named(name), a.signIn(name).Callback != nil
	exact := !slices.ContainsFunc(o.hosts, func(h string) bool { return strings.ContainsAny(h, "*{") })
	switch {
	case len(o.hosts) > 0 && exact:
	case shared:
		return nil // its hosts are those of the callback
	default:
		return fmt.Errorf("curfew_sign_in %s: the site's address must name its host exactly, since the provider sends browsers back to it: "+
			"write the host, or give the sign-in a `callback <origin> <host>…`", name)
	}
	origins, err := o.origins(app)
	if shared { // the scheme and the port are those of the callback
		origins, err = nil, nil
		for _, host := range o.hosts {
			origins = append(origins, "https://"+bracketed(strings.ToLower(strings.TrimSuffix(host, "."))))
		}
	}
	if err != nil {
		return fmt.Errorf("curfew_sign_in %s: %w", name, err)
	}
	for _, origin := range origins {
		if err := signIn.AddOrigin(origin); err != nil {
			if !shared && strings.HasPrefix(origin, "http://") {
				return fmt.Errorf("curfew_sign_in %s: %w; if a proxy in front ends TLS, give the sign-in a `callback <origin> <host>…`", name, err)
			}
			return fmt.Errorf("curfew_sign_in %s: %w", name, err)
		}
	}
	return nil
}

// origins returns the origins of the hosts: the scheme and the port are those of
// the server.
func (o *signInSpot) origins(app *caddyhttp.App) ([]string, error) {
	var all []string
	for _, listen := range o.server.Listen {
		address, err := caddy.ParseNetworkAddress(listen)
		if err != nil {
			return nil, err
		}
		if address.IsUnixNetwork() || address.IsFdNetwork() || address.PortRangeSize() != 1 {
			return nil, errors.New("the site has not one port, so its address is not known: give the sign-in a `callback <origin> <host>…`")
		}
		port, scheme, usual := int(address.StartPort), "http", 80
		httpPort := app.HTTPPort
		if httpPort == 0 {
			httpPort = caddyhttp.DefaultHTTPPort
		}
		if len(o.server.TLSConnPolicies) > 0 && port != httpPort {
			scheme, usual = "https", 443
		}
		for _, host := range o.hosts {
			host = strings.ToLower(strings.TrimSuffix(host, "."))
			switch {
			case port != usual:
				host = net.JoinHostPort(host, strconv.Itoa(port))
			default:
				host = bracketed(host)
			}
			if origin := scheme + "://" + host; !slices.Contains(all, origin) {
				all = append(all, origin)
			}
		}
	}
	return all, nil
}

// bracketed is a host as it stands in an address.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// credentialsLogged refuses a server that writes cookies into its access log.
func (s *survey) credentialsLogged() error {
	for _, o := range s.offers {
		if logs := o.server.Logs; logs != nil && logs.ShouldLogCredentials {
			return o.place.name(errors.New("curfew_sign_in: log_credentials would write the sessions of this server's browsers into its access log: " +
				"remove it from the global option servers"))
		}
	}
	return nil
}
