package login

import (
	"time"

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

	// Idle ends a session that is not used; 0 means 1 h.
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

// Validate reports the first thing that is wrong with the configuration, and
// the mend.
func (c *Config) Validate() error { return nil }
