package token

import (
	"context"
	"errors"
	"slices"

	"curfew.dev/curfew/internal/strictjson"
)

// signing carries a token through go-oidc to VerifySignature, and the key or the
// error back.
type signing struct {
	*Opened
	key *key
	err error
}

type signingContext struct{}

// signedBy returns the issuer's key that verifies the token.
func (i *issuer) signedBy(ctx context.Context, o *Opened) (*key, error) {
	if !i.hasKey(ctx, o.header) {
		return nil, errUnknownKey
	}
	if k, known := i.recall(ctx, &o.compact); known {
		if k == nil {
			return nil, errSignature
		}
		return k, nil
	}
	s := &signing{Opened: o}
	_, err := i.oidc.Verify(context.WithValue(ctx, signingContext{}, s), o.plain())
	switch {
	case s.err != nil:
		return nil, s.err
	case err != nil || s.key == nil:
		return nil, invalid("go-oidc can't read it")
	}
	return s.key, nil
}

// hasKey reports whether the issuer publishes a key that the header names; if
// not, the issuer is asked again. The lookup comes before everything that costs
// something: a client that makes kids up must not have tokens parsed twice.
func (i *issuer) hasKey(ctx context.Context, h header) bool {
	if i.named(h) != nil {
		return true
	}
	i.keys.observer.UnknownKey()
	return i.replaced(ctx, h, nil)
}

// replaced asks the issuer whether the header names another key now than the one
// that was tried. Though it was asked a moment ago, its answer may have come since
// that one was looked up.
func (i *issuer) replaced(ctx context.Context, h header, tried *key) bool {
	i.keys.refresh(ctx)
	return i.named(h) != tried
}

// named is the key that a header names; nil if the issuer publishes none.
func (i *issuer) named(h header) *key { return i.keys.ring.Load().find(h.kid, h.alg) }

// recall is the key that is known to have signed the token; nil and known: its
// signature is wrong. As for any wrong signature, the issuer is asked first
// whether it has replaced the key.
func (i *issuer) recall(ctx context.Context, c *compact) (k *key, known bool) {
	k = i.named(c.header)
	switch signed, known := i.checked.recall(c.raw, k); {
	case !known:
		return nil, false
	case signed:
		return k, true
	}
	return nil, !i.replaced(ctx, c.header, k)
}

// VerifySignature implements [oidc.KeySet]. It returns the claims that go-oidc
// judges.
func (i *issuer) VerifySignature(ctx context.Context, _ string) ([]byte, error) {
	s, ok := ctx.Value(signingContext{}).(*signing)
	if !ok {
		return nil, errors.New("verifying a signature: not called through signedBy")
	}
	k := i.named(s.header)
	if i.try(s, k) || i.replaced(ctx, s.header, k) && i.try(s, i.named(s.header)) {
		return registered(s.members), nil
	}
	return nil, s.err
}

// registered is a payload of the claims that a token needs. Others that go-oidc
// knows are not asked for here, and it would refuse a token for their types.
func registered(claims strictjson.Object) []byte {
	b := []byte("{")
	for _, m := range claims {
		if slices.Contains([]string{"iss", "sub", "aud", "exp", "iat"}, m.Name) {
			b = append(append(append(append(append(b, '"'), m.Name...), `":`...), m.Value...), ',')
		}
	}
	return append(b[:max(len(b)-1, 1)], '}') // the last comma goes
}

var (
	errUnknownKey error = invalid("the issuer has no key for its kid and alg")
	errSignature  error = invalid("its signature is wrong")
)

// try checks the signature with a key, nil where there is none, and notes the
// outcome.
func (i *issuer) try(s *signing, k *key) bool {
	if k == nil {
		s.err = errUnknownKey
		return false
	}
	if !k.verify(s.header.alg, s.signed(), []byte(s.signature)) {
		i.checked.note(s.raw, k, false)
		s.err = errSignature
		return false
	}
	s.key, s.err = k, nil
	return true
}
