package token

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"curfew.dev/curfew/revocation"
)

// VerifierConfig is what a [Verifier] is made of.
type VerifierConfig struct {
	Issuers []IssuerKeys
	// Cache may be nil, and may be shared with the Verifiers before and after.
	Cache *Cache
	// Claims names further claims to keep, for [Token.Claim].
	Claims []string
	// Verified is told of each token that passed every check, before Verify
	// returns it for the first time; not of one that was remembered. Nil: nobody
	// is.
	Verified func(*revocation.Credential)
}

// IssuerKeys is an issuer and its keys.
type IssuerKeys struct {
	Issuer
	Keys *KeySet
}

// Verifier turns tokens of several issuers into credentials. It is immutable
// and safe for concurrent use.
type Verifier struct {
	issuers  map[string]*issuer
	cache    *Cache
	rules    string
	verified func(*revocation.Credential)
}

// NewVerifier validates the configuration.
func NewVerifier(c VerifierConfig) (*Verifier, error) {
	if slices.Contains(c.Claims, "") {
		return nil, errors.New("a claim to keep has an empty name")
	}
	v := &Verifier{issuers: make(map[string]*issuer), cache: c.Cache, rules: digest(c), verified: c.Verified}
	if v.verified == nil {
		v.verified = func(*revocation.Credential) {}
	}
	for _, configured := range c.Issuers {
		if err := configured.Validate(); err != nil {
			return nil, err
		}
		if _, dup := v.issuers[configured.URL]; dup {
			return nil, fmt.Errorf("issuer %s is configured twice: merge the two", configured.URL)
		}
		if configured.Keys == nil || configured.Keys.Issuer() != configured.URL {
			return nil, fmt.Errorf("issuer %s has no keys, or those of another issuer", configured.URL)
		}
		i, err := newIssuer(configured, c.Claims, v.rules)
		if err != nil {
			return nil, err
		}
		v.issuers[configured.URL] = i
	}
	return v, nil
}

// digest names a configuration: equal ones judge every token alike, so what
// one admitted, the other may.
func digest(c VerifierConfig) string {
	h := sha256.New()
	for _, i := range c.Issuers {
		fmt.Fprintf(h, "%#v\n", i.withDefaults())
	}
	fmt.Fprintf(h, "%#v\n", c.Claims)
	return string(h.Sum(nil))
}

// Verify returns the verified token, and whether it was remembered. Errors are
// of type *[Error]. It may wait for a fetch of keys; ctx ends that wait.
func (v *Verifier) Verify(ctx context.Context, raw string, now time.Time) (t *Token, hit bool, err error) {
	if len(raw) > MaxBytes {
		return nil, false, invalid("longer than 16 KiB")
	}
	if t = v.cache.get(raw); t != nil && t.holds(v.rules, now) {
		return t, true, nil
	}
	if t, err = v.verify(ctx, raw, now); err != nil {
		return nil, false, err
	}
	v.verified(&t.Credential)
	v.cache.put(t, now)
	return t, false, nil
}

func (v *Verifier) verify(ctx context.Context, raw string, now time.Time) (*Token, error) {
	c, err := parseCompact(raw)
	if err != nil {
		return nil, err
	}
	members, err := parseObject(c.payload)
	if err != nil {
		return nil, invalid("claims: " + err.Error())
	}
	url, ok := find(members, "iss").text()
	i := v.issuers[url]
	if !ok || i == nil {
		return nil, invalid("its issuer is not configured")
	}
	t, client, err := i.verify(ctx, c, members, now)
	if err != nil {
		return nil, of(err, i.URL, client)
	}
	return t, nil
}

// verify checks a token of this issuer. Of one that is refused it returns the
// client, if the issuer signed it.
func (i *issuer) verify(ctx context.Context, c *compact, members []member, now time.Time) (t *Token, client string, err error) {
	if !i.keys.Ready(now, i.JWKSMaxStale) {
		return nil, "", &Error{Kind: NotReady, Detail: "the issuer's keys were not fetched, or too long ago"}
	}
	if !slices.Contains(i.Algorithms, c.header.alg) {
		return nil, "", invalid("alg is not enabled for the issuer")
	}
	claims, err := i.dialect.read(members)
	if err != nil {
		return nil, "", err
	}
	k, err := i.signedBy(ctx, c, members)
	if err != nil {
		return nil, "", err
	}
	if err := i.judge(c.header, claims, now); err != nil {
		i.checked.note(c.raw, k, true)
		return nil, claims.party(), err
	}
	return newToken(i, c, claims, k), "", nil
}

// issuer is a configured issuer, ready to verify. It is the [oidc.KeySet] of
// its own go-oidc verifier.
type issuer struct {
	Issuer
	keys    *KeySet
	dialect dialect
	rules   string
	oidc    *oidc.IDTokenVerifier
	checked *checked
}

func newIssuer(c IssuerKeys, extra []string, rules string) (*issuer, error) {
	i := &issuer{Issuer: c.withDefaults(), keys: c.Keys, rules: rules, checked: newChecked()}
	var err error
	if i.dialect, err = newDialect(i.Issuer, extra); err != nil {
		return nil, err
	}
	i.oidc = oidc.NewVerifier(i.URL, i, &oidc.Config{
		SupportedSigningAlgs: i.Algorithms,
		SkipClientIDCheck:    true, // forAudience and forClient are stricter
		SkipExpiryCheck:      true, // current is stricter, and takes the time as an argument
	})
	return i, nil
}

// judge applies the rules that need no key.
func (i *issuer) judge(h header, c *claims, now time.Time) error {
	if err := i.accept(h, c); err != nil {
		return err
	}
	if err := i.identified(c); err != nil {
		return err
	}
	return i.current(c, now)
}

// signing passes a token through go-oidc to VerifySignature, and the key back.
type signing struct {
	*compact
	claims []member
	key    *key
	err    error
}

type signingContext struct{}

// signedBy returns the issuer's key that verifies the token.
func (i *issuer) signedBy(ctx context.Context, c *compact, claims []member) (*key, error) {
	if !i.hasKey(ctx, c.header) {
		return nil, errUnknownKey
	}
	if k, known := i.recall(ctx, c); known {
		if k == nil {
			return nil, errSignature
		}
		return k, nil
	}
	s := &signing{compact: c, claims: claims}
	_, err := i.oidc.Verify(context.WithValue(ctx, signingContext{}, s), c.plain())
	switch {
	case s.err != nil:
		return nil, s.err
	case err != nil || s.key == nil:
		return nil, invalid("go-oidc can't read it")
	}
	return s.key, nil
}

// hasKey reports whether the issuer publishes a key that the header names; it
// looks again if need be. It stands before everything that costs something:
// whoever makes kids up shall not have tokens parsed twice.
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
// is to judge.
func (i *issuer) VerifySignature(ctx context.Context, _ string) ([]byte, error) {
	s, ok := ctx.Value(signingContext{}).(*signing)
	if !ok {
		return nil, errors.New("verifying a signature: not called through signedBy")
	}
	k := i.named(s.header)
	if i.try(s, k) || i.replaced(ctx, s.header, k) && i.try(s, i.named(s.header)) {
		return registered(s.claims), nil
	}
	return nil, s.err
}

// registered is a payload of the claims that a token needs. Others that go-oidc
// knows are not asked for here, and it would refuse a token for their types.
func registered(claims []member) []byte {
	b := []byte("{")
	for _, m := range claims {
		if slices.Contains([]string{"iss", "sub", "aud", "exp", "iat"}, m.name) {
			b = append(append(append(append(append(b, '"'), m.name...), `":`...), m.value...), ',')
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
