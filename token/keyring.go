package token

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"curfew.dev/curfew/internal/strictjson"
	"curfew.dev/curfew/revocation"
)

const maxKeys = 100

var (
	errJWKS      = errors.New("not a JSON Web Key Set (RFC 7517, 5)")
	errJWKSSize  = errors.New("key set has more than 100 keys")
	errJWKSEmpty = errors.New("key set has no usable key")
)

// keyring is the usable keys of an issuer. It is immutable; the zero value is
// empty.
type keyring struct {
	keys   []*key
	unused []UnusedKey
}

// UnusedKey is a key of an issuer's set that ought to be mended there: it is
// not used, though it is for signatures or should not be in the set.
type UnusedKey struct {
	KeyID  string // empty if it has none
	Reason string
}

// parseKeyring reads a JWK Set and keeps the keys that are fit to verify
// tokens. One that is not fit takes nothing from the others, whatever its kid:
// tokens choose among the fit ones, by kid and alg.
func parseKeyring(s string) (*keyring, error) {
	members, err := parseObject(s)
	if err != nil {
		return nil, err
	}
	all, ok := members.Value("keys").Elements()
	switch {
	case !ok:
		return nil, errJWKS
	case len(all) > maxKeys:
		return nil, errJWKSSize
	}
	r := new(keyring)
	for _, v := range all {
		r.add(v)
	}
	r.dropAmbiguous()
	if len(r.keys) == 0 {
		return nil, r.empty()
	}
	return r, nil
}

// add takes one JWK. The same key for several algorithms, or written twice, is
// one.
func (r *keyring) add(v strictjson.Value) {
	members, err := parseObject(string(v))
	if err != nil {
		return // no JWK
	}
	k, err := parseKey(members)
	if err != nil {
		if errors.Is(err, errKeySecret) || errors.Is(err, errKeyWeak) {
			kid, _ := members.Value("kid").Text()
			r.unused = append(r.unused, UnusedKey{kid[:min(len(kid), revocation.MaxID)], err.Error()})
		}
		return
	}
	if i := slices.IndexFunc(r.keys, k.twin); i >= 0 {
		for _, alg := range k.algorithms {
			if !r.keys[i].fits(alg) {
				r.keys[i].algorithms = append(r.keys[i].algorithms, alg)
				slices.Sort(r.keys[i].algorithms) // in whatever order the set has them, it is the same key
			}
		}
		return
	}
	r.keys = append(r.keys, k)
}

// dropAmbiguous takes from keys that share a kid the algorithms that they share
// too: which one signed would be a guess. Each is left with those that are its
// own.
func (r *keyring) dropAmbiguous() {
	owners := make(map[[2]string]int)
	for _, k := range r.keys {
		for _, alg := range k.algorithms {
			owners[[2]string{k.id, alg}]++
		}
	}
	shared := func(k *key, alg string) bool { return owners[[2]string{k.id, alg}] > 1 }
	r.keys = slices.DeleteFunc(r.keys, func(k *key) bool {
		before := len(k.algorithms)
		k.algorithms = slices.DeleteFunc(slices.Clone(k.algorithms), func(alg string) bool { return shared(k, alg) })
		if len(k.algorithms) < before {
			r.unused = append(r.unused, UnusedKey{k.id, errKeyAmbiguous.Error()})
		}
		return len(k.algorithms) == 0
	})
}

// empty is the error of a set without a usable key.
func (r *keyring) empty() error {
	if len(r.unused) == 0 {
		return errJWKSEmpty
	}
	return fmt.Errorf("%w: key %q: %s", errJWKSEmpty, r.unused[0].KeyID, r.unused[0].Reason)
}

// find returns the key for a token's kid and alg. A token without kid is
// verified only where exactly one key fits its alg (OpenID Connect Core, 10.1).
func (r *keyring) find(kid, alg string) *key {
	var found *key
	for _, k := range r.keys {
		if !k.fits(alg) || kid != "" && k.id != kid {
			continue
		}
		if found != nil {
			return nil
		}
		found = k
	}
	return found
}

// renew returns the keyring that follows r. A key that stays is the same
// pointer, so the tokens that it verified stay cached. A key that went is retired,
// and its tokens are no longer admitted.
func (r *keyring) renew(next *keyring, at time.Time) *keyring {
	merged := &keyring{keys: make([]*key, 0, len(next.keys)), unused: next.unused}
	for _, k := range next.keys {
		if i := slices.IndexFunc(r.keys, k.same); i >= 0 {
			k = r.keys[i]
		}
		k.confirm(at)
		merged.keys = append(merged.keys, k)
	}
	for _, k := range r.keys {
		if !slices.Contains(merged.keys, k) {
			k.retire()
		}
	}
	return merged
}
