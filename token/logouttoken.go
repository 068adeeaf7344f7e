package token

import (
	"slices"
	"time"

	"curfew.dev/curfew/internal/strictjson"
)

// Logout is what a logout token says: that a session, or all sessions of a person
// at a client, have ended at the provider (OpenID Connect Back-Channel Logout 1.0,
// section 2.4).
type Logout struct {
	Issuer, TokenID string
	// Client is one of those that the caller speaks for.
	Client string
	// Session is the sid. Where there is one, the session alone has ended.
	Session string
	// Subject is the person, as credentials name it ([Opened.Subject]). It is empty
	// only beside a Session.
	Subject string
	// IssuedAt is in Unix seconds.
	IssuedAt int64
	// Deadline is when the token stops being accepted.
	Deadline time.Time
}

// MaxLogoutAge is how long after its iat a logout token is accepted. Providers send
// them at once, and again while a receiver fails.
const MaxLogoutAge = 5 * time.Minute

// logoutEvent is the member of events that makes a token a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// LogoutToken judges the token as a logout token for some clients (OpenID Connect
// Back-Channel Logout 1.0, section 2.6). Whether it came before is the caller's to
// know. Errors are of type *[Error].
func (o *Opened) LogoutToken(clients []string, now time.Time) (Logout, error) {
	x, err := o.of(clients, MaxLogoutAge).pass(logoutToken, now)
	if err != nil {
		return Logout{}, err
	}
	client := x.audiences[slices.IndexFunc(x.audiences, func(a string) bool { return slices.Contains(clients, a) })]
	return Logout{
		Issuer: x.claims.issuer, TokenID: x.tokenID, Client: client, Session: x.session, Subject: x.holder(),
		IssuedAt: x.issuedAt, Deadline: x.deadline(),
	}, nil
}

// logoutToken judges logout tokens. Many providers send them without typ, so the
// event tells them from other kinds, which must have none.
var logoutToken = judge{rules: []rule{
	{"typ names another kind of token", func(x *candidate) bool {
		return x.typ != "" && x.typ != "jwt" && x.typ != "logout+jwt"
	}},
	{"no audience: a logout token has its client in aud", func(x *candidate) bool { return len(x.audiences) == 0 }},
	{"the logout token is for another client", func(x *candidate) bool {
		return !slices.ContainsFunc(x.audiences, func(a string) bool { return slices.Contains(x.Clients, a) })
	}},
	{"the logout token has an audience that is not trusted", func(x *candidate) bool {
		return slices.ContainsFunc(x.audiences, func(a string) bool { return !slices.Contains(x.Clients, a) })
	}},
	{"its events don't hold the one of back-channel logout, with an object as value", func(x *candidate) bool {
		return !isLogout(x.events)
	}},
	{"it has a nonce, which no logout token may have", func(x *candidate) bool { return x.hasNonce }},
	{"no jti", func(x *candidate) bool { return x.tokenID == "" }},
	{"sid is empty", func(x *candidate) bool { return slices.Contains(x.ignored, "sid") }}, // it must not read as all of a person
	{"it names neither a sid nor a person", func(x *candidate) bool { return x.session == "" && x.holder() == "" }},
	hasInstants, issued, early, reversed,
	{"it is older than 5 minutes, or has expired", expired.broken},
}}

func isLogout(events strictjson.Value) bool {
	members, err := parseObject(string(events))
	if err != nil {
		return false
	}
	_, err = parseObject(string(members.Value(logoutEvent)))
	return err == nil
}
