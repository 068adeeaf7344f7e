package token

import (
	"slices"
	"strings"
)

// accessToken judges access tokens for a service behind the gateway, with or
// without typ; profiledAccessToken those that keep to RFC 9068.
var (
	accessToken         = judge{rules: slices.Concat(accessTokenRules, holderRules, instantRules)}
	profiledAccessToken = judge{rules: slices.Concat(profileRules, accessTokenRules, holderRules, instantRules)}
)

// profileRules are what RFC 9068, 2.2 requires beyond the claims that every
// token needs.
var profileRules = []rule{
	{"an access token needs client_id and jti", func(x *candidate) bool {
		return len(x.ClientClaims) == 0 && x.client == "" || x.tokenID == ""
	}},
	{"an access token needs a client, and has none of the claims that client_claim names", func(x *candidate) bool {
		return x.party() == ""
	}},
}

var accessTokenRules = []rule{
	carriesEvents,
	{"no audience: it has no {audience_claim}, which audience_claim names", func(x *candidate) bool {
		return len(x.intended()) == 0 && x.AudienceClaim != ""
	}},
	{"no audience: it has no aud; if another claim says what it is for, name that with `audience_claim`", func(x *candidate) bool {
		return len(x.intended()) == 0
	}},
	// RFC 9068, 4: an access token for another resource must be refused.
	{"it is for another audience", func(x *candidate) bool {
		return !slices.ContainsFunc(x.intended(), func(a string) bool { return slices.Contains(x.Audiences, a) })
	}},
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
