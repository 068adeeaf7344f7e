package token

import (
	"slices"
	"strings"
	"time"
)

// candidate is an opened token before a judge.
type candidate struct {
	*issuer
	*claims
	typ  string // of the header
	isID bool   // it is judged as an ID token
	now  time.Time
}

// rule is one demand of a judge.
type rule struct {
	detail string // of the refusal; {audience_claim} and {subject_claim} stand for configured names
	broken func(*candidate) bool
}

// judge decides whether a token is of one kind, and meant for this gateway. The
// first rule that is broken refuses the token. The kinds exclude each other (RFC
// 8725, 3.12): a token that passes as one can't pass as another.
type judge struct {
	isID  bool
	rules []rule
}

// Judge decides whether the token is of a kind that the issuer's guards take,
// and valid now. It may be bound to a key ([Token.Bound]). Errors are of type
// *[Error].
func (o *Opened) Judge(now time.Time) (*Token, error) {
	if o.claims.hasEvents {
		return nil, o.Refuse(carriesEvents.detail)
	}
	j, refusal := o.choose()
	if refusal != "" {
		return nil, o.Refuse(refusal)
	}
	return o.judgedBy(j, now)
}

// choose returns the judge of the kind that the token says it is: by typ and,
// where there is none, by the claims that only one kind of token has.
func (o *Opened) choose() (j judge, refusal string) {
	takes := func(a Accept) bool { return slices.Contains(o.issuer.Accept, a) }
	strict, lenient, id := takes(AccessToken), takes(AccessTokenLenient), takes(IDToken)
	switch o.header.typ {
	case "at+jwt":
		switch {
		case lenient:
			return accessToken, ""
		case strict:
			return profiledAccessToken, ""
		}
		return judge{}, "typ is at+jwt, and access tokens of this issuer are not accepted"
	case "", "jwt":
		switch {
		case lenient && looksLikeAccessToken(o.claims):
			return accessToken, ""
		case id && looksLikeIDToken(o.claims):
			return idToken, ""
		case lenient || id:
			return judge{}, "without typ, it can't be told to be a kind of token that is accepted"
		}
		return judge{}, "typ is not at+jwt: if the provider sends none, set `accept access_token lenient`"
	}
	return judge{}, "typ names another kind of token"
}

func (o *Opened) judgedBy(j judge, now time.Time) (*Token, error) {
	x, err := o.pass(j, now)
	if err != nil {
		return nil, err
	}
	return newToken(o, x), nil
}

// pass returns the candidate that no rule of a judge refuses.
func (o *Opened) pass(j judge, now time.Time) (*candidate, error) {
	x := &candidate{o.issuer, o.claims, o.header.typ, j.isID, now}
	for _, r := range j.rules {
		if r.broken(x) {
			return nil, o.refuse(x.named(r.detail), x.party())
		}
	}
	return x, nil
}

// named fills configured names into the detail of a rule.
func (x *candidate) named(detail string) string {
	return strings.NewReplacer("{audience_claim}", x.AudienceClaim, "{subject_claim}", x.SubjectClaim).Replace(detail)
}

// holder is the subject of the credential that the token becomes.
func (x *candidate) holder() string {
	if x.SubjectClaim != "" {
		return x.person
	}
	return x.subject
}

// party is the client that the token was issued to. An ID token always has one.
func (x *candidate) party() string {
	switch party := x.claims.party(); {
	case party != "" || !x.isID:
		return party
	case x.authorizedParty == "" && len(x.audiences) == 1:
		return x.audiences[0]
	}
	return x.authorizedParty
}

// intended are the services or clients that the token is for.
func (x *candidate) intended() []string {
	if x.AudienceClaim != "" && !x.isID {
		return x.otherAudiences
	}
	return x.audiences
}

var carriesEvents = rule{"it is an event or logout token", func(x *candidate) bool { return x.hasEvents }}

// holderRules make sure that a token can be revoked, and that its holder is the
// one it was issued to.
var holderRules = []rule{
	{"no sub", func(x *candidate) bool { return x.subject == "" }},
	{"it has no {subject_claim}, which subject_claim names", func(x *candidate) bool { return x.holder() == "" }},
	{"client_id and azp differ", func(x *candidate) bool {
		return len(x.ClientClaims) == 0 && x.client != "" && x.authorizedParty != "" && x.client != x.authorizedParty
	}},
	{"its cnf is not one that can be verified: want jkt, x5t#S256 or both", func(x *candidate) bool {
		return x.hasConfirmation && x.confirmation == confirmation{}
	}},
}

// unbound refuses tokens that are bound to a key, where nobody could be asked to
// show that key.
var unbound = rule{detailUnproven, func(x *candidate) bool { return x.hasConfirmation }}

const detailUnproven = "it is bound to a key (cnf) whose possession was not verified"
