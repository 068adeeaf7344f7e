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

// VerifierConfig is the configuration of a [Verifier].
type VerifierConfig struct {
	Issuers []IssuerKeys
	// Cache may be nil, and may be shared with the Verifiers before and after.
	Cache *Cache
	// Claims names further claims to keep, for [Token.Claim].
	Claims []string
	// Verified is called with the credential of each token that passed every
	// check, before Verify returns it for the first time. It is not called for a
	// token that was remembered. Nil: no call.
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

// digest names a configuration. Two with the same digest judge every token alike,
// so each may admit the tokens that the other accepted.
func digest(c VerifierConfig) string {
	h := sha256.New()
	for _, i := range c.Issuers {
		fmt.Fprintf(h, "%#v\n", i.withDefaults())
	}
	fmt.Fprintf(h, "%#v\n", c.Claims)
	return string(h.Sum(nil))
}

// Verify returns the verified token, and whether it was remembered. It refuses a
// token that is bound to a key. Errors are of type *[Error]. It may wait for a
// fetch of keys; ctx ends that wait.
func (v *Verifier) Verify(ctx context.Context, raw string, now time.Time) (t *Token, hit bool, err error) {
	t, hit, err = v.VerifyUnproven(ctx, raw, now)
	if err == nil && t.Bound() {
		return nil, hit, &Error{Kind: Invalid, Detail: detailUnproven, Issuer: t.Credential.Issuer, Client: t.Credential.Client}
	}
	return t, hit, err
}

// VerifyUnproven is like [Verifier.Verify], and accepts tokens that are bound to a
// key. The caller must check that the sender of a token that is [Token.Bound] holds
// the key, with [Token.Prove]: without it, the token may be stolen.
func (v *Verifier) VerifyUnproven(ctx context.Context, raw string, now time.Time) (t *Token, hit bool, err error) {
	if len(raw) > MaxBytes {
		return nil, false, invalid("longer than 16 KiB")
	}
	if t = v.cache.get(raw); t != nil && t.holds(v.rules, now) {
		return t, true, nil
	}
	o, err := v.Open(ctx, raw, now)
	if err != nil {
		return nil, false, err
	}
	if t, err = o.Judge(now); err != nil {
		return nil, false, err
	}
	v.verified(&t.Credential)
	v.cache.put(t, now)
	return t, false, nil
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
