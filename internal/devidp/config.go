package devidp

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// DefaultCode is the one-time code of a user whose Code is empty.
const DefaultCode = "000000"

const defaultAccessTokenLifetime = 5 * time.Minute

// Config is a provider's configuration. Issuer, Clients and Users are required.
type Config struct {
	// Issuer is the iss of every token: http://ADDRESS:PORT with a loopback
	// address, exactly as clients write it.
	Issuer  string
	Clients []Client
	Users   []User

	// AccessTokenLifetime is the lifetime of access tokens and ID tokens, in
	// whole seconds. Default: 5 minutes.
	AccessTokenLifetime time.Duration
	// Algorithm signs every token: ES256 (the default), RS256 or EdDSA.
	Algorithm jose.SignatureAlgorithm
	// StateFile keeps signing keys, sessions and refresh tokens over a restart.
	// Empty: nothing is kept. Only one provider at a time may use the file. It
	// contains private keys and is written with mode 0600.
	StateFile string
	// Now is the provider's clock. Default: [time.Now]. A wrong clock makes
	// tokens with wrong times.
	Now func() time.Time
}

// Client is a public client: it has no secret and must use PKCE with S256.
type Client struct {
	ID string
	// RedirectURIs are compared character by character. They must name a
	// loopback address, localhost or a name below .localhost.
	RedirectURIs []string
	// PostLogoutRedirectURIs are the addresses to which [Provider] may send a
	// browser after RP-initiated logout.
	PostLogoutRedirectURIs []string
	// Audience is the aud of the client's access tokens: the API it calls.
	Audience string
}

// User is a person who can sign in.
type User struct {
	// Subject is the sub of the tokens and the name typed at sign-in.
	Subject  string
	Password string
	// Code is the one-time code that makes a sign-in multi-factor. Default:
	// [DefaultCode].
	Code string
	// Tenant is the tid of the tokens. Empty: the tokens have none.
	Tenant string
	// Claims are further claims of the ID tokens, such as email. They replace none
	// of the provider's own.
	Claims map[string]any
}

// directory holds the users who may sign in and the clients that they may use.
type directory struct {
	clients map[string]Client
	users   map[string]User
}

func newDirectory(c Config) (directory, error) {
	d := directory{clients: make(map[string]Client), users: make(map[string]User)}
	if len(c.Clients) == 0 || len(c.Users) == 0 {
		return d, errors.New("configuring provider: needs at least one client and one user")
	}
	for _, client := range c.Clients {
		if err := client.check(); err != nil {
			return d, fmt.Errorf("configuring client %q: %w", client.ID, err)
		}
		if _, twice := d.clients[client.ID]; twice {
			return d, fmt.Errorf("configuring client %q: it is configured twice", client.ID)
		}
		d.clients[client.ID] = client
	}
	for _, user := range c.Users {
		if user.Subject == "" || user.Password == "" {
			return d, fmt.Errorf("configuring user %q: needs a subject and a password", user.Subject)
		}
		if _, twice := d.users[user.Subject]; twice {
			return d, fmt.Errorf("configuring user %q: it is configured twice", user.Subject)
		}
		if user.Code == "" {
			user.Code = DefaultCode
		}
		d.users[user.Subject] = user
	}
	return d, nil
}

func (c Client) check() error {
	if c.ID == "" || c.Audience == "" || len(c.RedirectURIs) == 0 {
		return errors.New("needs an id, an audience and a redirect URI")
	}
	for _, uris := range [][]string{c.RedirectURIs, c.PostLogoutRedirectURIs} {
		for _, uri := range uris {
			if err := checkRedirectURI(uri); err != nil {
				return err
			}
		}
	}
	return nil
}
