package token

import (
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/revocation"
)

// accept judges whether the token is of a kind that the issuer's guards take.
// The kinds exclude each other (RFC 8725, 3.12): a token that passes as one
// can't pass as another.
func (i *issuer) accept(h header, c *claims) error {
	if c.hasEvents {
		return invalid("it is an event or logout token")
	}
	switch h.typ {
	case "at+jwt":
		if i.takes(AccessToken) || i.takes(AccessTokenLenient) {
			return i.acceptAccessToken(c)
		}
		return invalid("typ is at+jwt, and access tokens of this issuer are not accepted")
	case "", "jwt":
		return i.acceptUntyped(c)
	}
	return invalid("typ names another kind of token")
}

func (i *issuer) takes(a Accept) bool { return slices.Contains(i.Accept, a) }

// acceptAccessToken checks what RFC 9068, 2.2 requires.
func (i *issuer) acceptAccessToken(c *claims) error {
	if i.takes(AccessToken) && !i.takes(AccessTokenLenient) {
		switch {
		case len(i.ClientClaims) == 0 && c.client == "", c.tokenID == "":
			return invalid("an access token needs client_id and jti")
		case c.party() == "":
			return invalid("an access token needs a client, and has none of the claims that client_claim names")
		}
	}
	return i.forAudience(c)
}

func (i *issuer) acceptUntyped(c *claims) error {
	lenient, id := i.takes(AccessTokenLenient), i.takes(IDToken)
	switch {
	case lenient && looksLikeAccessToken(c):
		return i.forAudience(c)
	case id && looksLikeIDToken(c):
		return i.forClient(c)
	case lenient || id:
		return invalid("without typ, it can't be told to be a kind of token that is accepted")
	}
	return invalid("typ is not at+jwt: if the provider sends none, set `accept access_token lenient`")
}

// looksLikeAccessToken demands something that an ID token lacks, and nothing
// that only an ID token has.
func looksLikeAccessToken(c *claims) bool {
	if c.hasTokenHash || c.kind != "" && !strings.EqualFold(c.kind, "Bearer") {
		return false
	}
	foreignParty := c.authorizedParty != "" && !slices.Contains(c.audiences, c.authorizedParty)
	return c.hasScope || c.client != "" || foreignParty
}

// looksLikeIDToken demands the absence of what marks an access token. A token
// hash alone decides: only ID tokens have one.
func looksLikeIDToken(c *claims) bool {
	if c.kind != "" && !strings.EqualFold(c.kind, "ID") {
		return false
	}
	return !c.marked
}

// forAudience checks that an access token is for a service behind us.
func (i *issuer) forAudience(c *claims) error {
	if i.AudienceClaim != "" {
		c.audiences = c.otherAudiences
	}
	switch {
	case len(c.audiences) == 0 && i.AudienceClaim != "":
		return invalid("no audience: it has no " + i.AudienceClaim + ", which audience_claim names")
	case len(c.audiences) == 0:
		return invalid("no audience: it has no aud; if another claim says what it is for, name that with `audience_claim`")
	case !slices.ContainsFunc(c.audiences, func(a string) bool { return slices.Contains(i.Audiences, a) }):
		return invalid("it is for another audience")
	}
	return nil
}

// forClient applies OpenID Connect Core, 3.1.3.7, items 3 to 5.
func (i *issuer) forClient(c *claims) error {
	ours := false
	for _, a := range c.audiences {
		if slices.Contains(i.Clients, a) {
			ours = true
		} else if !slices.Contains(i.Audiences, a) {
			return invalid("the ID token has an audience that is not trusted")
		}
	}
	switch {
	case len(c.audiences) == 0:
		return invalid("no audience: an ID token has its client in aud")
	case !ours:
		return invalid("the ID token is for another client")
	case c.authorizedParty != "" && !slices.Contains(i.Clients, c.authorizedParty):
		return invalid("the ID token's azp is another client")
	case c.authorizedParty == "" && len(c.audiences) > 1:
		return invalid("the ID token has several audiences and no azp")
	case c.authorizedParty == "":
		c.authorizedParty = c.audiences[0] // its only audience is the party it was issued to
	}
	c.isID = true
	return nil
}

// current judges instants. The clock skew is leeway everywhere, except that it
// never lengthens a life beyond MaxTokenLifetime: revocations are kept that
// long, and no longer.
func (i *issuer) current(c *claims, now time.Time) error {
	latest := now.Add(i.ClockSkew).Unix()
	switch {
	case c.issuedAt == 0 || c.expiresAt == 0:
		return invalid("no iat or no exp")
	case c.issuedAt > latest || c.authTime > latest:
		return invalid("iat or auth_time is in the future: compare the clocks of issuer and gateway")
	case c.notBefore > latest:
		return invalid("nbf is in the future")
	case c.expiresAt <= c.issuedAt:
		return invalid("exp is not after iat")
	case time.Duration(c.expiresAt-c.issuedAt) > i.MaxTokenLifetime/time.Second:
		return invalid("it lives longer than max_token_lifetime")
	case !now.Before(i.deadline(c)):
		return invalid("it has expired")
	case c.authTime == 0 && i.RequireAuthTime && i.typeOf(c) != revocation.MachineToken:
		return invalid("no auth_time, which require_auth_time demands")
	}
	return nil
}

// begins is from when on none of the token's instants lies in the future.
func (i *issuer) begins(c *claims) time.Time {
	return time.Unix(max(c.issuedAt, c.authTime, c.notBefore), 0).Add(-i.ClockSkew)
}

// deadline is when the token stops being admitted.
func (i *issuer) deadline(c *claims) time.Time {
	end := time.Unix(c.expiresAt, 0).Add(i.ClockSkew)
	if last := time.Unix(c.issuedAt, 0).Add(i.MaxTokenLifetime); last.Before(end) {
		return last
	}
	return end
}

// identified checks that the token can be revoked, and by whom it is held.
func (i *issuer) identified(c *claims) error {
	switch {
	case c.subject == "":
		return invalid("no sub")
	case len(i.ClientClaims) == 0 && c.client != "" && c.authorizedParty != "" && c.client != c.authorizedParty:
		return invalid("client_id and azp differ")
	case c.hasConfirmation:
		return invalid("it is bound to a key (cnf) whose possession was not verified")
	}
	return nil
}
