package token

import (
	"slices"
	"strings"
	"time"
)

// idToken judges ID tokens for a client of the issuer's Clients.
var idToken = judge{isID: true, rules: slices.Concat(idTokenRules, holderRules, instantRules)}

// IDToken judges the token as an ID token for one of the issuer's Clients,
// whichever kinds the issuer's guards take. A nonce is the caller's to compare
// (OpenID Connect Core, 3.1.3.7, item 11). A token that is bound to a key is
// refused. Errors are of type *[Error].
func (o *Opened) IDToken(now time.Time) (*Token, error) { return o.judgedBy(unboundIDToken, now) }

var unboundIDToken = judge{isID: true, rules: append(slices.Clone(idToken.rules), unbound)}

// SignIn judges the token as the ID token of a sign-in of one client, which may
// be none of the issuer's Clients. The caller keeps neither the token nor its
// expiry, so MaxTokenLifetime does not bound it. The caller must compare the
// nonce (OpenID Connect Core, 3.1.3.7, item 11), which tells it from other kinds of
// token, and must judge auth_time: it may be absent or in the future. Errors are
// of type *[Error].
func (o *Opened) SignIn(client string, now time.Time) (*Token, error) {
	return o.of([]string{client}, forever).judgedBy(signIn, now)
}

// of returns the token as one of an issuer with these clients and this bound of
// lifetimes.
func (o *Opened) of(clients []string, lifetime time.Duration) *Opened {
	own, of := *o.issuer, *o
	own.Clients, own.MaxTokenLifetime = clients, lifetime
	of.issuer = &own
	return &of
}

const forever = 100 * 365 * 24 * time.Hour

// signIn judges ID tokens that the token endpoint has handed out.
var signIn = judge{isID: true, rules: slices.Concat([]rule{carriesEvents, typOfIDToken, unbound}, forClient, holderRules, signInInstants)}

var typOfIDToken = rule{"typ names another kind of token", func(x *candidate) bool { return x.typ != "" && x.typ != "jwt" }}

var idTokenRules = slices.Concat([]rule{
	carriesEvents, typOfIDToken,
	{"it has a claim of access tokens, or its claim typ is not ID", func(x *candidate) bool { return !looksLikeIDToken(x.claims) }},
}, forClient)

// forClient are OpenID Connect Core, 3.1.3.7, items 3 to 5.
var forClient = []rule{
	{"the ID token has an audience that is not trusted", func(x *candidate) bool {
		return slices.ContainsFunc(x.audiences, func(a string) bool {
			return !slices.Contains(x.Clients, a) && !slices.Contains(x.Audiences, a)
		})
	}},
	{"no audience: an ID token has its client in aud", func(x *candidate) bool { return len(x.audiences) == 0 }},
	{"the ID token is for another client", func(x *candidate) bool {
		return !slices.ContainsFunc(x.audiences, func(a string) bool { return slices.Contains(x.Clients, a) })
	}},
	{"the ID token's azp is another client", func(x *candidate) bool {
		return x.authorizedParty != "" && !slices.Contains(x.Clients, x.authorizedParty)
	}},
	{"the ID token has several audiences and no azp", func(x *candidate) bool {
		return x.authorizedParty == "" && len(x.audiences) > 1
	}},
}

// looksLikeIDToken demands the absence of what marks an access token. A token
// hash alone decides: only ID tokens have one.
func looksLikeIDToken(c *claims) bool {
	if c.kind != "" && !strings.EqualFold(c.kind, "ID") {
		return false
	}
	return !c.marked
}
