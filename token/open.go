package token

import (
	"context"
	"slices"
	"time"

	"curfew.dev/curfew/internal/strictjson"
)

// Opened is a token that was read strictly and that a key of its issuer signed.
// Nothing else is known of it: not its kind, not for whom it is, not whether its
// time has come or passed. So it is no credential, and must not be used before a
// judge has accepted it.
//
// [Opened.Judge] decides for the guards, [Opened.SignIn] for sign-ins and
// [Opened.LogoutToken] for back-channel logout. A caller that needs another kind of
// token reads [Opened.Claim], and returns [Opened.Refuse] for a token that it does
// not accept.
type Opened struct {
	compact
	issuer  *issuer
	members strictjson.Object
	claims  *claims
	key     *key
}

// Open reads a token and checks that a key of a configured issuer signed it. It
// accepts every kind of token and remembers none. Errors are of type *[Error].
// Open may wait for a fetch of keys; ctx ends that wait.
func (v *Verifier) Open(ctx context.Context, raw string, now time.Time) (*Opened, error) {
	c, err := parseCompact(raw)
	if err != nil {
		return nil, err
	}
	members, err := parseObject(c.payload)
	if err != nil {
		return nil, invalid("claims: " + err.Error())
	}
	url, ok := members.Value("iss").Text()
	i := v.issuers[url]
	if !ok || i == nil {
		return nil, invalid("its issuer is not configured")
	}
	o := &Opened{compact: c, issuer: i, members: members}
	if err := o.open(ctx, now); err != nil {
		return nil, about(err, i.URL)
	}
	return o, nil
}

// open does what costs least first; the signature comes last.
func (o *Opened) open(ctx context.Context, now time.Time) (err error) {
	i := o.issuer
	if !i.keys.Ready(now, i.JWKSMaxStale) {
		return &Error{Kind: NotReady, Detail: "the issuer's keys were not fetched, or too long ago"}
	}
	if !slices.Contains(i.Algorithms, o.header.alg) {
		return invalid("alg is not enabled for the issuer")
	}
	if o.claims, err = i.dialect.read(o.members); err != nil {
		return err
	}
	o.key, err = i.signedBy(ctx, o)
	return err
}

// Issuer is the iss of the token, which is configured.
func (o *Opened) Issuer() string { return o.issuer.URL }

// KeyID is the kid of the key that signed the token; empty if the issuer's set
// gives it none.
func (o *Opened) KeyID() string { return o.key.id }

// Type is the typ of the header (RFC 7515, 4.1.9) in lower case and without
// "application/", such as "logout+jwt"; empty if there is none.
func (o *Opened) Type() string { return o.header.typ }

// Subject is the sub of the token or, where the issuer has a SubjectClaim, that
// claim; empty if there is none. It is what credentials and targets call the
// subject.
func (o *Opened) Subject() string {
	if o.issuer.SubjectClaim != "" {
		return o.claims.person
	}
	return o.claims.subject
}

// Claim is a claim as the token has it; empty if it has none of that name. The
// registered claims and those that the issuer's configuration names have the
// type that they should have, unless they are null or an empty string. Others
// may hold anything.
func (o *Opened) Claim(name string) strictjson.Value { return o.members.Value(name) }

// Date is a claim that is a NumericDate (RFC 7519, 2), in Unix seconds rounded
// down. It is not ok if the token has none of that name, or one that is not a
// number of at least 0 and below 2^53.
func (o *Opened) Date(name string) (seconds int64, ok bool) { return date(o.Claim(name)) }

// Refuse is the error of a judge that does not accept the token. detail is for
// logs: it must hold nothing of the token. The result of the signature check is
// kept, so that the same token costs no cryptography when it comes again.
func (o *Opened) Refuse(detail string) error { return o.refuse(detail, o.claims.party()) }

func (o *Opened) refuse(detail, client string) error {
	o.issuer.checked.note(o.raw, o.key, true)
	return &Error{Kind: Invalid, Detail: detail, Issuer: o.issuer.URL, Client: client}
}
