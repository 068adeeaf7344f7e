package token

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/revocation"
)

// Defaults of an [Issuer].
const (
	DefaultClockSkew        = 2 * time.Second
	DefaultMaxTokenLifetime = 28 * time.Hour
	DefaultJWKSMaxStale     = 24 * time.Hour
)

// Accept is a kind of token that an issuer's guards take as a credential.
type Accept uint8

// The kinds of token.
const (
	// AccessToken is an RFC 9068 access token: typ at+jwt.
	AccessToken Accept = iota
	// AccessTokenLenient also takes access tokens of providers that send no
	// typ, if they carry something that an ID token lacks.
	AccessTokenLenient
	// IDToken is an OpenID Connect ID token for one of the issuer's Clients.
	IDToken
)

// algorithms are all that can be enabled. Symmetric ones and none can't.
var algorithms = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
}

// Issuer holds the configuration of one OpenID provider whose tokens are read.
type Issuer struct {
	// Issuer is the part that decisions and records share. Its URL is also the
	// origin of the discovery document: https, or http on a loopback host. A
	// ClockSkew of 0 means 2 s, a MaxTokenLifetime of 0 means 28 h.
	revocation.Issuer
	// Audiences are the identifiers of the services behind the gateway. An
	// access token is for at least one of them.
	Audiences []string
	// Clients are the client ids this gateway fronts; ID tokens are theirs.
	Clients []string
	// Accept lists the kinds of token taken; none means AccessToken.
	Accept []Accept
	// Algorithms limits the signature algorithms; none means all asymmetric
	// ones of RFC 7518, RFC 8037 and RFC 9864.
	Algorithms []string
	// SubjectClaim names the claim that says who the person is, in all tokens of all
	// clients, where sub is another for each of them (OpenID Connect Core, 8.1).
	// Empty: sub. A token without it is refused.
	SubjectClaim string
	// AudienceClaim names the claim of access tokens that holds their audience, in
	// place of aud; empty: aud.
	AudienceClaim string
	// ClientClaims name the claims that hold the client; the first that a token
	// has counts. None means client_id and azp, which must agree where a token
	// has both.
	ClientClaims []string
	// JWKSMaxStale is how long keys are trusted after they were last fetched;
	// 0 means 24 h.
	JWKSMaxStale time.Duration
}

// Validate reports the first thing that is wrong with the configuration, and
// the mend.
func (i Issuer) Validate() error {
	if err := validateIssuerURL(i.URL); err != nil {
		return err
	}
	if len(i.Audiences) == 0 {
		return fmt.Errorf("issuer %s: no audience: name the services its tokens are for with `audience`", i.URL)
	}
	if slices.Contains(i.Audiences, "") || slices.Contains(i.Clients, "") {
		return fmt.Errorf("issuer %s: an audience or client is empty: remove it, or set the placeholder it comes from", i.URL)
	}
	if slices.Contains(i.Accept, IDToken) && len(i.Clients) == 0 {
		return fmt.Errorf("issuer %s: `accept id_token` needs `client`: an ID token is for a client", i.URL)
	}
	if slices.Contains(i.ClientClaims, "") || slices.Contains(i.MachineClients, "") {
		return fmt.Errorf("issuer %s: a client claim or machine client is empty: remove it, or set the placeholder it comes from", i.URL)
	}
	for n, claim := range i.ClientClaims {
		if slices.Contains(i.ClientClaims[:n], claim) {
			return fmt.Errorf("issuer %s: the client claim %q is named twice: remove one", i.URL, claim)
		}
	}
	if slices.Contains(claimWords, i.SubjectClaim) {
		return fmt.Errorf("issuer %s: the claim %s says something else than who the person is: name another with `subject_claim`, or leave it out for sub", i.URL, i.SubjectClaim)
	}
	for _, alg := range i.Algorithms {
		if !slices.Contains(algorithms, alg) {
			return fmt.Errorf("issuer %s: algorithm %q is not an asymmetric signature algorithm: use some of %s",
				i.URL, alg, strings.Join(algorithms, " "))
		}
	}
	if i.ClockSkew < 0 || i.MaxTokenLifetime < 0 || i.JWKSMaxStale < 0 {
		return fmt.Errorf("issuer %s: a duration is negative: leave it out for the default", i.URL)
	}
	return nil
}

func (i Issuer) withDefaults() Issuer {
	i.ClockSkew = cmp.Or(i.ClockSkew, DefaultClockSkew)
	i.MaxTokenLifetime = cmp.Or(i.MaxTokenLifetime, DefaultMaxTokenLifetime)
	i.JWKSMaxStale = cmp.Or(i.JWKSMaxStale, DefaultJWKSMaxStale)
	if len(i.Accept) == 0 {
		i.Accept = []Accept{AccessToken}
	}
	if len(i.Algorithms) == 0 {
		i.Algorithms = algorithms
	}
	return i
}

func validateIssuerURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case strings.ContainsAny(s, "{}"):
		return fmt.Errorf("issuer %q has a placeholder, and no token's iss has: name the issuer of each tenant, "+
			"with the tenant's id in it (in a Caddyfile, {$NAME} is an environment variable)", s)
	case err != nil || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("issuer %q is not an absolute URL: write it as its tokens do, such as https://login.example.com", s)
	case len(s) > revocation.MaxID:
		return fmt.Errorf("issuer is %d bytes long, the limit is %d", len(s), revocation.MaxID)
	case u.User != nil:
		return errors.New("issuer has a user or password in its URL: remove them")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return fmt.Errorf("issuer %q has a query or fragment: remove it (OpenID Connect Discovery 2)", s)
	}
	return outbound.RequireSecure(u)
}
