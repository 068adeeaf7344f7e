package login

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/internal/authorization"
	"curfew.dev/curfew/internal/loopback"
	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/revocation"
)

// Defaults of a [Config].
const (
	DefaultIdle     = time.Hour
	DefaultLifetime = 12 * time.Hour
)

// Config is one configured sign_in.
type Config struct {
	// Name is in the path of its redirect URI.
	Name string
	// Issuer is the provider, which is configured. Its skew and retention apply.
	Issuer *revocation.Issuer
	// Discovery is the address of the provider's metadata; empty: the well-known
	// one of OpenID Connect Discovery.
	Discovery string
	// Client asks the provider.
	Client *outbound.Client

	ClientID string
	// ClientSecret returns the secret as it is now; nil: none. A client with
	// neither a secret nor a key is a public one.
	ClientSecret func() (string, error)
	// ClientKey signs assertions (private_key_jwt); nil: none.
	ClientKey *ClientKey

	// Scope values are asked for, openid always.
	Scope []string
	// Resources are the services that the access token is for (RFC 8707).
	Resources []string
	// Params are further parameters of the authorization request.
	Params []Param

	// Idle ends a session that is not used; 0 means 1 h, or Lifetime if that is less.
	Idle time.Duration
	// Lifetime ends every session, counted from the sign-in here; 0 means 12 h.
	Lifetime time.Duration
	// Persistent has the browser keep the cookie when it is closed.
	Persistent bool

	// Callback is the one redirect URI for several hosts; nil: each host its own.
	Callback *Callback

	// LocalSignOut leaves the provider's session alone when a browser signs out.
	LocalSignOut bool
	// SignedOutURL is where a browser goes after it signed out; empty: our page.
	SignedOutURL string

	// AllowNoAuthTime accepts ID tokens without auth_time.
	AllowNoAuthTime bool

	// Title names the sign-in to people; empty: the name.
	Title string

	// Claims are what policies, guards and identity headers need of the ID token,
	// beside what every credential has. A session that was sealed before one was
	// named has run out.
	Claims []Claim
}

// Param is a parameter of the authorization request.
type Param struct{ Name, Value string }

// Callback is a redirect URI that several hosts share.
type Callback struct {
	// Origin is that of the redirect URI, such as https://auth.example.com.
	Origin string
	// Hosts are the hosts that sign in by it: lower case, no port, no final dot.
	Hosts []string
}

// Claim is a claim that a session keeps.
type Claim struct {
	Name string
	// Values are those that are kept of an array; nil: all. A value that begins
	// with * stands for every value that ends like it.
	Values []string
}

// ConfigError is a mistake in a [Config].
type ConfigError struct {
	SignIn        string
	Option, Value string // at fault, as the Caddyfile has them; may be empty
	Detail        string // what is wrong, and the mend
}

func (e *ConfigError) Error() string { return "sign_in " + e.SignIn + ": " + e.Detail }

// Validate reports the first thing that is wrong with the configuration, and
// the mend. Every error is a [*ConfigError].
func (c *Config) Validate() error {
	for _, check := range []func() *ConfigError{c.checkName, c.checkClient, c.checkTimes, c.checkParams, c.checkCallback, c.checkAddresses} {
		if err := check(); err != nil {
			err.SignIn = c.Name
			return err
		}
	}
	return nil
}

// at is a mistake in an option, and perhaps in one of its values.
func at(option, value, detail string, args ...any) *ConfigError {
	return &ConfigError{Option: option, Value: value, Detail: fmt.Sprintf(detail, args...)}
}

// checkName keeps the name to what a path and a log need no escaping for.
func (c *Config) checkName() *ConfigError {
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}
	if c.Name == "" || len(c.Name) > maxName || strings.ContainsFunc(c.Name, bad) {
		return at("", "", "the name has 1 to %d characters of a-z, A-Z, 0-9, - and _: it is part of the redirect URI", maxName)
	}
	return nil
}

const maxName = 64

func (c *Config) checkClient() *ConfigError {
	switch {
	case c.Issuer == nil || c.Client == nil:
		return at("issuer", "", "it has no issuer: name one of the configured with `issuer`")
	case c.ClientID == "" || len(c.ClientID) > revocation.MaxID:
		return at("client_id", "", "it has no client_id: set the one that the provider has registered")
	case c.ClientSecret != nil && c.ClientKey != nil:
		return at("client_key", "", "it has a client_secret and a client_key: the provider takes one of the two, remove the other")
	}
	for _, scope := range c.Scope {
		if !authorization.ChallengeToken(scope) {
			return at("scope", scope, "scope %q has a character that a scope can't have (RFC 6749, 3.3)", scope)
		}
	}
	for _, resource := range c.Resources {
		if u, err := url.Parse(resource); err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			return at("resource", resource, "resource %q is not an absolute URI without a fragment (RFC 8707, 2)", resource)
		}
	}
	return nil
}

func (c *Config) checkTimes() *ConfigError {
	idle, lifetime := c.idle(), c.lifetime()
	switch {
	case idle < time.Minute:
		return at("idle", "", "idle %s is too short: give at least 1m", idle)
	case lifetime < time.Minute:
		return at("lifetime", "", "lifetime %s is too short: give at least 1m", lifetime)
	case idle > lifetime:
		return at("idle", "", "idle %s is longer than the lifetime of %s: shorten idle", idle, lifetime)
	case lifetime > c.Issuer.Retention:
		return at("lifetime", "", "lifetime %s is longer than the issuer's retention of %s: shorten it, or raise `retention`", lifetime, c.Issuer.Retention)
	}
	return nil
}

// ours are parameters of the authorization request that have a meaning for what
// comes back.
var ours = []string{
	"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"max_age", "acr_values", "prompt", "resource", "request", "request_uri", "response_mode",
}

func (c *Config) checkParams() *ConfigError {
	for i, p := range c.Params {
		switch {
		case p.Name == "":
			return at("param", "", "param has no name: write `param <name> <value>`")
		case slices.Contains(ours, p.Name):
			return at("param", p.Name, "param %s is set by Curfew, or would change how the answer comes: remove it", p.Name)
		case slices.ContainsFunc(c.Params[:i], func(q Param) bool { return q.Name == p.Name }):
			return at("param", p.Name, "param %s is set twice: remove one", p.Name)
		}
	}
	return nil
}

func (c *Config) checkCallback() *ConfigError {
	if c.Callback == nil {
		return nil
	}
	if _, err := parseOrigin(c.Callback.Origin); err != nil {
		return at("callback", "", "callback: %s", err)
	}
	if len(c.Callback.Hosts) == 0 {
		return at("callback", "", "callback names no host that signs in by it: write `callback <origin> <host>…`")
	}
	for i, host := range c.Callback.Hosts {
		switch {
		case !isHost(host):
			return at("callback", host, "callback: %q is not a host: write it in lower case, without scheme, port or final dot", host)
		case slices.Contains(c.Callback.Hosts[:i], host):
			return at("callback", host, "callback names %s twice: remove one", host)
		}
	}
	return nil
}

func (c *Config) checkAddresses() *ConfigError {
	if c.SignedOutURL == "" || isReturnPath(c.SignedOutURL) {
		return nil
	}
	u, err := url.Parse(c.SignedOutURL)
	if err != nil || u.Host == "" || u.User != nil {
		return at("signed_out_url", "", "signed_out_url %q: want an absolute URL or a path", c.SignedOutURL)
	}
	if err := outbound.RequireSecure(u); err != nil {
		return at("signed_out_url", "", "signed_out_url: %s", err)
	}
	return nil
}

// parseOrigin reads a scheme, a host and perhaps a port: https, or http on this
// machine.
func parseOrigin(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || s != u.Scheme+"://"+u.Host || !isHost(u.Hostname()) {
		return nil, fmt.Errorf("%q is not an origin: write scheme, host and port alone, in lower case, such as https://auth.example.com", s)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback.Is(u.Hostname()) {
		return u, nil
	}
	return nil, fmt.Errorf("%q is not https: use https (http is for loopback only)", s)
}

// isHost reports whether host has the form of [HostOf].
func isHost(host string) bool {
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == ""
	}
	return host != "" && len(host) <= 253 && !strings.ContainsFunc(host, bad) && host[0] != '.' && host[len(host)-1] != '.'
}

func (c *Config) idle() time.Duration     { return cmp.Or(c.Idle, min(DefaultIdle, c.lifetime())) }
func (c *Config) lifetime() time.Duration { return cmp.Or(c.Lifetime, DefaultLifetime) }

// scope is what is asked for, openid first.
func (c *Config) scope() []string {
	all := []string{"openid"}
	for _, s := range c.Scope {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

func (c *Config) skew() int64 { return int64((c.Issuer.ClockSkew + time.Second - 1) / time.Second) }
