package demo

import (
	"context"
	"net"

	"curfew.dev/curfew/internal/devidp"
)

const (
	audience    = "https://files.example.com"
	redirectURI = "http://files.localhost/callback" // nothing listens there
)

// passwords are printed: the provider is for development.
var passwords = map[string]string{"alice": "wonder", "bob": "builder"}

// people are the devices of alice and bob.
type people struct {
	alicePhone, aliceLaptop, aliceConsole, bobLaptop *device
}

func newPeople(issuer string, dir directory, a asks) people {
	return people{
		alicePhone:   newDevice("alice-phone", "alice", "mobile", issuer, dir, a),
		aliceLaptop:  newDevice("alice-laptop", "alice", "web", issuer, dir, a),
		aliceConsole: newDevice("alice-console", "alice", "game-console", issuer, dir, a),
		bobLaptop:    newDevice("bob-laptop", "bob", "web", issuer, dir, a),
	}
}

func (p people) all() []*device {
	return []*device{p.alicePhone, p.aliceLaptop, p.aliceConsole, p.bobLaptop}
}

// enter signs everybody in.
func (p people) enter(ctx context.Context, app string) error {
	for _, d := range p.all() {
		if _, err := d.enter(ctx, app); err != nil {
			return err
		}
	}
	return nil
}

// newProvider also knows the gateway, at which browsers sign in to app.
func newProvider(l net.Listener, app, tenant string) (*devidp.Provider, error) {
	c := devidp.Config{Issuer: urlOf(l.Addr().String())}
	for _, id := range []string{"web", "mobile", "game-console"} {
		c.Clients = append(c.Clients, devidp.Client{ID: id, RedirectURIs: []string{redirectURI}, Audience: audience})
	}
	c.Clients = append(c.Clients, devidp.Client{
		ID: "browser", Audience: audience,
		RedirectURIs: []string{app + "/.curfew/callback/demo"}, PostLogoutRedirectURIs: []string{app + "/.curfew/signed-out"},
	})
	for user, password := range passwords {
		c.Users = append(c.Users, devidp.User{Subject: user, Password: password, Tenant: tenant})
	}
	return devidp.New(c)
}
