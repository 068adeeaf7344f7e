package token

import (
	"cmp"
	"strings"
	"time"

	"curfew.dev/curfew/revocation"
)

// Token is a token that passed every check but one: whoever sends a token that is
// [Token.Bound] must still show the key. All but Clean and Memo is read-only, and
// requests share it.
type Token struct {
	Verified

	raw      string
	size     int
	rules    string // of the Verifier that judged it
	key      *key
	begins   int64 // Unix nanoseconds: before, one of its instants lies in the future
	deadline int64 // Unix nanoseconds
	maxStale time.Duration
}

// holds reports whether a verified token is still one under these rules, by the
// clock of now: it may have been set back since.
func (t *Token) holds(rules string, now time.Time) bool {
	at := now.UnixNano()
	return t.rules == rules && t.begins <= at && at < t.deadline && t.key.usable(now, t.maxStale)
}

// cost is the memory that the token holds on to, in bytes.
func (t *Token) cost() int64 { return int64(t.size) }

// newToken is the token of a candidate that its judge accepted.
func newToken(o *Opened, x *candidate) *Token {
	cl := o.claims
	t := &Token{
		raw:      strings.Clone(o.raw), // not the request's whole header
		rules:    x.issuer.rules,
		key:      o.key,
		begins:   x.begins().UnixNano(),
		deadline: x.deadline().UnixNano(),
		maxStale: x.JWKSMaxStale,
	}
	t.Type = x.kindOf()
	t.Keep(cl.extra)
	t.ignored = cl.ignored
	t.Credential = revocation.Credential{
		Issuer:    x.URL, // the same text for all of its tokens
		Subject:   x.holder(),
		Client:    x.party(),
		Session:   cl.session,
		Device:    cmp.Or(cl.device, cl.confirmation.jkt, cl.confirmation.x5t),
		Tenant:    cl.tenant,
		TokenID:   cl.tokenID,
		KeyID:     o.key.id,
		JKT:       cl.confirmation.jkt,
		X5TS256:   cl.confirmation.x5t,
		IssuedAt:  cl.issuedAt,
		AuthTime:  cl.authTime,
		ExpiresAt: cl.expiresAt,
		ACR:       cl.acr,
		AMR:       cl.amr,
		Scope:     cl.scope,
		Audiences: x.intended(),
	}
	t.Credential.Seal()
	lists := len(cl.amr) + len(cl.scope) + len(t.Credential.Audiences) + 2*len(cl.extra)
	t.size = tokenOverhead + len(o.raw) + len(o.payload) + 16*lists
	return t
}
