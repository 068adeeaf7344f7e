package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// Issuer is an OpenID provider whose tokens are admitted.
type Issuer struct {
	// The issuer identifier, exactly as in `iss`. Plain http only on loopback.
	URL string `json:"url"`

	// The audiences of this gateway's services; a token must name one. Required.
	Audiences []string `json:"audiences,omitempty"`

	// The clients that this gateway fronts: audiences of ID tokens and of
	// logout tokens. It does not restrict access tokens.
	Clients []string `json:"clients,omitempty"`

	// The kinds of token: `access_token` (RFC 9068, the default),
	// `access_token_lenient` (providers that send no typ), `id_token`.
	Accept []string `json:"accept,omitempty"`

	// The signature algorithms, asymmetric only. Default: RS*, PS*, ES*, EdDSA.
	Algorithms []string `json:"algorithms,omitempty"`

	// The claim that names the device, if the issuer and not the client sets it.
	DeviceClaim string `json:"device_claim,omitempty"`

	// The claim that names the organisation.
	TenantClaim string `json:"tenant_claim,omitempty"`

	// The claim that says who the person is, in all tokens of all clients, where the
	// provider's `sub` is another for each client. It then is the subject in records,
	// headers and logs. Default: sub.
	SubjectClaim string `json:"subject_claim,omitempty"`

	// The claim of access tokens that names their audience, in place of `aud`.
	AudienceClaim string `json:"audience_claim,omitempty"`

	// The claims that may hold the client; the first that a token has counts.
	// Default: client_id, azp, which must agree where a token has both.
	ClientClaims []string `json:"client_claims,omitempty"`

	// Clients that act for themselves (client credentials), so that their tokens
	// tell of no sign-in. A client that is the subject of its token is one anyway.
	MachineClients []string `json:"machine_clients,omitempty"`

	// What people read as the names of clients, by client id.
	ClientNames map[string]string `json:"client_names,omitempty"`

	// Clients that a sign-out of a whole user passes by.
	ExemptClients []string `json:"exempt_clients,omitempty"`

	// How far the issuer's clock may be off, 10m at most. Default: 2s.
	ClockSkew *caddy.Duration `json:"clock_skew,omitempty"`

	// How long after its sign-in a session may live. Default: 90d.
	Retention caddy.Duration `json:"retention,omitempty"`

	// How long a token may live. Default: 28h.
	MaxTokenLifetime caddy.Duration `json:"max_token_lifetime,omitempty"`

	// Refuse tokens without auth_time, on which a sign-out is not exact. Tokens
	// of machines never have one and are not refused.
	RequireAuthTime bool `json:"require_auth_time,omitempty"`

	// How long keys serve after the last successful fetch. Default: 24h.
	JWKSMaxStale caddy.Duration `json:"jwks_max_stale,omitempty"`

	// The URL of the discovery document. Default: the issuer's
	// `/.well-known/openid-configuration` or, where that answers 404, its
	// `/.well-known/oauth-authorization-server` (RFC 8414). Plain http only on
	// loopback.
	Discovery string `json:"discovery,omitempty"`

	// The URL of the key set, or the path of a file with it, in which placeholders
	// work; no discovery document is read then. A file is read again when it has
	// changed.
	JWKS string `json:"jwks,omitempty"`

	// How long each fetch may take, 1m at most. Default: 5s.
	FetchTimeout caddy.Duration `json:"fetch_timeout,omitempty"`

	// The path of the roots, in PEM, that the certificates of the URLs must chain
	// to. Placeholders work. Default: those of the system.
	TLSCA string `json:"tls_ca,omitempty"`

	// The place of a file in the Caddyfile. Error messages name it.
	Place place `json:"place,omitempty"`
	at    place // what Place was

	sessions time.Duration // the longest lifetime of its sign-ins
}

// parseIssuer reads
//
//	issuer <url> {
//		audience <audience>…
//		client <client_id>…
//		accept access_token | access_token lenient | id_token
//		algorithms <alg>…
//		device_claim <claim>
//		tenant_claim <claim>
//		subject_claim <claim>
//		audience_claim <claim>
//		client_claim <claim>…
//		client_name <client_id> <text>
//		machine_clients <client_id>…
//		exempt_client <client_id>…
//		clock_skew <duration>
//		retention <duration>
//		max_token_lifetime <duration>
//		require_auth_time
//		jwks_max_stale <duration>
//		discovery <url>
//		jwks <url> | <file>
//		fetch_timeout <duration>
//		tls_ca <file>
//	}
func (a *App) parseIssuer(d *caddyfile.Dispenser) error {
	i := new(Issuer)
	if err := word(&i.URL)(d); err != nil {
		return err
	}
	if a.issuer(i.URL) != nil {
		return d.Errf("issuer %s is configured twice: merge the two blocks", i.URL)
	}
	a.Issuers = append(a.Issuers, i)
	return options{
		"audience":        words(&i.Audiences),
		"client":          words(&i.Clients),
		"accept":          i.parseAccept,
		"algorithms":      words(&i.Algorithms),
		"device_claim":    word(&i.DeviceClaim),
		"tenant_claim":    word(&i.TenantClaim),
		"subject_claim":   word(&i.SubjectClaim),
		"audience_claim":  word(&i.AudienceClaim),
		"exempt_client":   words(&i.ExemptClients),
		"client_claim":    words(&i.ClientClaims),
		"client_name":     i.parseClientName,
		"machine_clients": words(&i.MachineClients),
		"clock_skew": func(d *caddyfile.Dispenser) error {
			i.ClockSkew = new(caddy.Duration)
			return duration(i.ClockSkew)(d)
		},
		"retention":          duration(&i.Retention),
		"max_token_lifetime": duration(&i.MaxTokenLifetime),
		"require_auth_time":  flag(&i.RequireAuthTime),
		"jwks_max_stale":     duration(&i.JWKSMaxStale),
		"discovery":          word(&i.Discovery),
		"jwks":               i.parseFile(&i.JWKS),
		"fetch_timeout":      duration(&i.FetchTimeout),
		"tls_ca":             i.parseFile(&i.TLSCA),
	}.read(d, func() error { return new(*i).provision() }, "audience", "client", "accept", "machine_clients", "exempt_client", "client_name")
}

// parseFile reads an argument that may be the path of a file. It keeps the
// place of a file only. A URL is checked at once, so it needs no place.
func (i *Issuer) parseFile(into *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if err := word(into)(d); err != nil {
			return err
		}
		if into == &i.TLSCA || i.source().IsFile() {
			i.Place = placeOf(d)
		}
		return nil
	}
}

func (i *Issuer) parseClientName(d *caddyfile.Dispenser) error {
	var id, name string
	if !d.AllArgs(&id, &name) {
		return d.Err("write `client_name <client_id> <text>`; a text of several words takes quotes")
	}
	if _, twice := i.ClientNames[id]; twice {
		return d.Errf("client_name %s is given twice: remove one", id)
	}
	if i.ClientNames == nil {
		i.ClientNames = make(map[string]string)
	}
	i.ClientNames[id] = name
	return nil
}

// parseAccept reads kinds of token. The word `lenient` belongs to the
// access_token before it.
func (i *Issuer) parseAccept(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Err("write `accept access_token`, `accept access_token lenient` or `accept id_token`")
	}
	for n, arg := range args {
		switch last := len(i.Accept) - 1; {
		case arg == "lenient" && n > 0 && args[n-1] == "access_token":
			i.Accept[last] = "access_token_lenient"
		case arg == "lenient":
			return d.Err("lenient follows access_token: write `accept access_token lenient`")
		default:
			i.Accept = append(i.Accept, arg)
		}
	}
	return nil
}

var accepts = map[string]token.Accept{
	"access_token":         token.AccessToken,
	"access_token_lenient": token.AccessTokenLenient,
	"id_token":             token.IDToken,
}

func (i *Issuer) provision() error {
	for _, d := range []struct {
		option string
		value  *caddy.Duration
		def    time.Duration
	}{
		{"retention", &i.Retention, 90 * 24 * time.Hour},
		{"max_token_lifetime", &i.MaxTokenLifetime, token.DefaultMaxTokenLifetime},
		{"jwks_max_stale", &i.JWKSMaxStale, token.DefaultJWKSMaxStale},
	} {
		if *d.value == 0 {
			*d.value = caddy.Duration(d.def)
		}
		if *d.value < 0 {
			return in(d.option, "", fmt.Errorf("%s %s: want a positive duration, or leave it out for the default", d.option, time.Duration(*d.value)))
		}
	}
	if skew := i.skew(); skew < 0 || skew > maxClockSkew {
		return in("clock_skew", "", fmt.Errorf("clock_skew %s: want at most %s; mend the clocks instead", skew, maxClockSkew))
	}
	if t := time.Duration(i.FetchTimeout); t < 0 || t > token.MaxFetchTimeout {
		return in("fetch_timeout", "", fmt.Errorf("fetch_timeout %s: want more than 0 and at most %s", t, token.MaxFetchTimeout))
	}
	for option, source := range map[string]token.KeySource{"discovery": {Discovery: i.Discovery}, "jwks": {JWKS: i.JWKS}} {
		if err := source.Validate(); err != nil {
			return in(option, "", err)
		}
	}
	if err := i.source().Validate(); err != nil {
		return in("discovery", "", err)
	}
	if i.TLSCA != "" && i.source().IsFile() {
		return in("tls_ca", "", errors.New("tls_ca is for URLs, and jwks is a file: remove one of them"))
	}
	for _, a := range i.Accept {
		if _, known := accepts[a]; !known {
			return in("accept", a, fmt.Errorf("accept %q is unknown: want access_token, access_token lenient or id_token", a))
		}
	}
	if slices.Contains(i.ExemptClients, "") {
		return in("exempt_client", "", errors.New("an exempt client is empty: remove it, or set the placeholder it comes from"))
	}
	for id, name := range i.ClientNames {
		if id == "" {
			return in("client_name", "", errors.New("client_name names a client without id: give its client_id"))
		}
		if err := checkLabel("client_name", name); err != nil {
			return in("client_name", id, err)
		}
	}
	return i.validate()
}

// validate lets package token check the settings. It checks first the settings
// that every issuer has, then one option at a time, so that the error names the
// option.
func (i *Issuer) validate() error {
	all := i.settings()
	if err := (token.Issuer{Issuer: revocation.Issuer{URL: i.URL}, Audiences: i.Audiences}).Validate(); err != nil {
		return err
	}
	for _, part := range []struct {
		option string
		token.Issuer
	}{
		{"algorithms", token.Issuer{Algorithms: all.Algorithms}},
		{"subject_claim", token.Issuer{SubjectClaim: all.SubjectClaim}},
		{"client_claim", token.Issuer{ClientClaims: all.ClientClaims}},
		{"accept", token.Issuer{Accept: all.Accept, Clients: all.Clients}},
	} {
		part.URL, part.Audiences = i.URL, i.Audiences
		if err := part.Validate(); err != nil {
			return in(part.option, "", err)
		}
	}
	return all.Validate()
}

// maxClockSkew limits the time after a sign-out in which a new sign-in is
// refused.
const maxClockSkew = 10 * time.Minute

// skew returns the clock skew, which may be zero.
func (i *Issuer) skew() time.Duration {
	if i.ClockSkew == nil {
		return token.DefaultClockSkew
	}
	return time.Duration(*i.ClockSkew)
}

// source returns the place of the issuer's keys, with placeholders.
func (i *Issuer) source() token.KeySource {
	return token.KeySource{Discovery: i.Discovery, JWKS: i.JWKS}
}

// shared returns the part of the configuration on which records and decisions
// depend.
func (i *Issuer) shared() *revocation.Issuer {
	return &revocation.Issuer{
		URL: i.URL, ClockSkew: i.skew(), Retention: time.Duration(i.Retention), MaxTokenLifetime: time.Duration(i.MaxTokenLifetime),
		RequireAuthTime: i.RequireAuthTime, DeviceClaim: i.DeviceClaim, TenantClaim: i.TenantClaim,
		ExemptClients: i.ExemptClients, MachineClients: i.MachineClients, SessionLifetime: i.sessions,
	}
}

// dialect names the issuer and all settings that decide which facts are read
// from which type of its tokens.
func (i *Issuer) dialect() string {
	return fmt.Sprintf("%q", [][]string{
		{i.URL, i.DeviceClaim, i.TenantClaim, i.SubjectClaim}, i.Accept, i.Clients, i.ClientClaims, i.MachineClients,
	})
}

// onlyClients returns the clients that the issuer's tokens can name. Nil: any
// client. An ID token belongs to one of the configured clients, unless a claim
// other than azp names its client.
func (i *Issuer) onlyClients() []string {
	if len(i.ClientClaims) > 0 || len(i.Accept) == 0 || slices.ContainsFunc(i.Accept, func(a string) bool { return a != "id_token" }) {
		return nil
	}
	return i.Clients
}

func (i *Issuer) settings() token.Issuer {
	s := token.Issuer{
		Issuer: *i.shared(), Audiences: i.Audiences, Clients: i.Clients, Algorithms: i.Algorithms,
		SubjectClaim: i.SubjectClaim, AudienceClaim: i.AudienceClaim, ClientClaims: i.ClientClaims, JWKSMaxStale: time.Duration(i.JWKSMaxStale),
	}
	// In package token a zero skew means "use the default", so pass one
	// nanosecond for "no skew".
	s.ClockSkew = max(s.ClockSkew, 1)
	for _, a := range i.Accept {
		s.Accept = append(s.Accept, accepts[a])
	}
	return s
}
