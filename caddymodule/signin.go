package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/internal/secret"
	"curfew.dev/curfew/login"
)

// SignIn signs browsers in at an OpenID provider. A site offers it with
// `curfew_sign_in`, and a guard takes its sessions with `session`.
type SignIn struct {
	// The name: 1 to 64 of a-z, A-Z, 0-9, - and _. It is part of the redirect URI,
	// `/.curfew/callback/<name>`.
	Name string `json:"name"`

	// The provider, of the issuers configured. Default: the only one.
	Issuer string `json:"issuer,omitempty"`

	// The client that the provider has registered. Required.
	ClientID string `json:"client_id,omitempty"`

	// The client's secret: a literal, `{env.NAME}` or `{file./path}`. A client with
	// neither a secret nor a key is a public one.
	ClientSecret string `json:"client_secret,omitempty"`

	// The path of the client's private key, in PEM or as a JWK, for
	// `private_key_jwt`. Placeholders work.
	ClientKey string `json:"client_key,omitempty"`

	// The scopes to ask for. Default: `openid`, which is always asked for.
	Scope []string `json:"scope,omitempty"`

	// The services that the access token is for (RFC 8707). Default: none.
	Resources []string `json:"resources,omitempty"`

	// Further parameters of the authorization request.
	Params []SignInParam `json:"params,omitempty"`

	// How long a session lasts without use. Default: 1h.
	Idle caddy.Duration `json:"idle,omitempty"`

	// How long a session lasts from its sign-in on. At most the issuer's retention.
	// Default: 12h.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// How long the browser keeps the cookie: `session` (the default), until the
	// browser is closed; or `persistent`.
	Cookie string `json:"cookie,omitempty"`

	// The redirect URI that several hosts share. Default: each host has its own.
	Callback *SignInCallback `json:"callback,omitempty"`

	// Where a sign-out ends: `provider` (the default) offers to sign out at the
	// provider too, if it has an endpoint for that; `local` does not.
	SignOut string `json:"sign_out,omitempty"`

	// Where a browser goes after it signed out. Default: a page of the gateway.
	SignedOutURL string `json:"signed_out_url,omitempty"`

	// Accept ID tokens without `auth_time`. A route that asks for a time of sign-in
	// refuses such sessions.
	AllowNoAuthTime bool `json:"allow_no_auth_time,omitempty"`

	// What people read as the name, where the issuer has no `client_name` for the
	// client. At most 64 characters. Default: the name.
	Title string `json:"title,omitempty"`

	// The places in the Caddyfile of the block, and of the secret or the key. Error
	// messages name them.
	Place           place `json:"place,omitempty"`
	CredentialPlace place `json:"credential_place,omitempty"`
	at              place // what Place was
	lines           lines // of the options, while a Caddyfile is read
}

// SignInParam is a parameter of the authorization request.
type SignInParam struct {
	// The name. It can be none that the gateway sets.
	Name string `json:"name"`
	// The value.
	Value string `json:"value"`
}

// SignInCallback is a redirect URI that several hosts share.
type SignInCallback struct {
	// Scheme, host and port, such as `https://auth.example.com`. A site with
	// `curfew_sign_in` serves it.
	Origin string `json:"origin"`
	// The hosts that sign in by it, without port. The scheme and the port are those
	// of the origin.
	Hosts []string `json:"hosts,omitempty"`
}

// parseSignIn reads
//
//	sign_in <name> {
//		issuer <url>
//		client_id <id>
//		client_secret <secret>
//		client_key <file>
//		scope <scope>…
//		resource <url>…
//		param <name> <value>
//		idle <duration>
//		lifetime <duration>
//		cookie session|persistent
//		callback <origin> <host>…
//		sign_out provider|local
//		signed_out_url <url>
//		allow_no_auth_time
//		title <text>
//	}
func (a *App) parseSignIn(d *caddyfile.Dispenser) error {
	s := &SignIn{Place: placeOf(d)}
	if err := word(&s.Name)(d); err != nil {
		return err
	}
	if a.signIn(s.Name) != nil {
		return d.Errf("sign_in %s is configured twice: merge the two blocks, or give one another name", s.Name)
	}
	a.SignIns = append(a.SignIns, s)
	var err error
	s.lines, err = options{
		"issuer":             word(&s.Issuer),
		"client_id":          word(&s.ClientID),
		"client_secret":      wordAt(&s.ClientSecret, &s.CredentialPlace),
		"client_key":         wordAt(&s.ClientKey, &s.CredentialPlace),
		"scope":              words(&s.Scope),
		"resource":           words(&s.Resources),
		"param":              s.parseParam,
		"idle":               duration(&s.Idle),
		"lifetime":           duration(&s.Lifetime),
		"cookie":             word(&s.Cookie),
		"callback":           s.parseCallback,
		"sign_out":           word(&s.SignOut),
		"signed_out_url":     word(&s.SignedOutURL),
		"allow_no_auth_time": flag(&s.AllowNoAuthTime),
		"title":              word(&s.Title),
	}.readLines(d, "scope", "resource", "param")
	return err
}

func (s *SignIn) parseParam(d *caddyfile.Dispenser) error {
	var p SignInParam
	if !d.AllArgs(&p.Name, &p.Value) {
		return d.Err("write `param <name> <value>`; a value of several words takes quotes")
	}
	s.Params = append(s.Params, p)
	return nil
}

func (s *SignIn) parseCallback(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Err("write `callback <origin> <host>…`")
	}
	s.Callback = &SignInCallback{Origin: args[0], Hosts: args[1:]}
	return nil
}

// signIn returns the configuration of a sign-in, or nil.
func (a *App) signIn(name string) *SignIn {
	for _, s := range a.SignIns {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// checkSignIns checks what needs neither a file nor a secret. The issuers have
// their defaults.
func (a *App) checkSignIns() error {
	for _, s := range a.SignIns {
		at := func(err error) error { return s.lines.blame(cmp.Or(s.at, s.Place), err) }
		i, err := s.issuerOf(a)
		if err != nil {
			return at(err)
		}
		c, err := s.config(i)
		if err != nil {
			return at(err)
		}
		if err := c.Validate(); err != nil {
			return at(optionAtFault(err))
		}
		if a.Ledger != nil && a.Ledger.NATS != nil && len(a.SealingKeys) == 0 {
			return at(fmt.Errorf("sign_in %s: the sessions of a cluster must open on every node: "+
				"write `openssl rand -base64 32` into a file, copy it to every node, and name it with `sealing_key <file>`", s.Name))
		}
	}
	return nil
}

// optionAtFault marks the option that package login finds wrong.
func optionAtFault(err error) error {
	if wrong, ok := errors.AsType[*login.ConfigError](err); ok {
		return in(wrong.Option, wrong.Value, err)
	}
	return err
}

// issuerOf returns the issuer at which the sign-in signs in.
func (s *SignIn) issuerOf(a *App) (*Issuer, error) {
	switch {
	case len(a.Issuers) == 0:
		return nil, fmt.Errorf("sign_in %s: no issuer is configured: add `issuer <url> { … }` to the global curfew options", s.Name)
	case s.Issuer == "" && len(a.Issuers) == 1:
		return a.Issuers[0], nil
	case s.Issuer == "":
		return nil, fmt.Errorf("sign_in %s: several issuers are configured: name one with `issuer <url>`", s.Name)
	}
	if i := a.issuer(s.Issuer); i != nil {
		return i, nil
	}
	return nil, in("issuer", "", fmt.Errorf("sign_in %s: issuer %q is not configured: add it to the global curfew options", s.Name, s.Issuer))
}

// config returns the sign-in as package login has it, without what is in files.
func (s *SignIn) config(i *Issuer) (login.Config, error) {
	if err := choose("cookie", &s.Cookie, []string{"session", "persistent"}); err != nil {
		return login.Config{}, err
	}
	if err := choose("sign_out", &s.SignOut, []string{"provider", "local"}); err != nil {
		return login.Config{}, err
	}
	if s.Title != "" {
		if err := checkLabel("title", s.Title); err != nil {
			return login.Config{}, err
		}
	}
	if s.Idle < 0 || s.Lifetime < 0 {
		option := "idle"
		if s.Lifetime < 0 {
			option = "lifetime"
		}
		return login.Config{}, in(option, "", fmt.Errorf("%s is negative: give a duration such as 1h, or leave it out for the default", option))
	}
	c := login.Config{
		Name: s.Name, Issuer: i.shared(), Discovery: i.Discovery, Client: outbound.New(i.URL, outbound.Options{}),
		ClientID: s.ClientID, Scope: s.Scope, Resources: s.Resources,
		Idle: time.Duration(s.Idle), Lifetime: time.Duration(s.Lifetime), Persistent: s.Cookie == "persistent",
		LocalSignOut: s.SignOut == "local", SignedOutURL: s.SignedOutURL, AllowNoAuthTime: s.AllowNoAuthTime,
		Title: cmp.Or(i.ClientNames[s.ClientID], s.Title),
	}
	if s.ClientSecret != "" {
		c.ClientSecret = func() (string, error) { return "", errors.New("the secret was not read") }
	}
	if s.ClientKey != "" {
		c.ClientKey = new(login.ClientKey)
	}
	for _, p := range s.Params {
		c.Params = append(c.Params, login.Param(p))
	}
	if s.Callback != nil {
		c.Callback = &login.Callback{Origin: s.Callback.Origin, Hosts: s.Callback.Hosts}
	}
	return c, nil
}

// credentials reads the secret or the key of the client.
func (s *SignIn) credentials(c *login.Config) error {
	if s.ClientSecret != "" {
		value, err := secret.Given(s.ClientSecret)
		if err != nil {
			return fmt.Errorf("sign_in %s: client_secret: %w", s.Name, err)
		}
		c.ClientSecret = func() (string, error) {
			b, err := value.Value()
			return string(b), err
		}
	}
	if s.ClientKey != "" {
		path, err := filePath(s.ClientKey)
		if err != nil {
			return fmt.Errorf("sign_in %s: client_key: %w", s.Name, err)
		}
		text, err := os.ReadFile(path)
		if err == nil {
			c.ClientKey, err = login.ParseClientKey(text)
		}
		if err != nil {
			return fmt.Errorf("sign_in %s: client_key: %w", s.Name, err)
		}
	}
	return nil
}

// lifetime returns how long a session of the sign-in lasts.
func (s *SignIn) lifetime() time.Duration {
	if s.Lifetime == 0 {
		return login.DefaultLifetime
	}
	return time.Duration(s.Lifetime)
}

// host returns the host of the callback's origin.
func (c *SignInCallback) host() string {
	_, host, _ := strings.Cut(c.Origin, "://")
	return hostname(host)
}
