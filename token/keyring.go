package token

import (
	"errors"
	"slices"
	"time"
)

const maxKeys = 100

var (
	errJWKS      = errors.New("not a JSON Web Key Set (RFC 7517, 5)")
	errJWKSSize  = errors.New("key set has more than 100 keys")
	errJWKSEmpty = errors.New("key set has no usable key")
)

// keyring is the usable keys of an issuer. It is immutable; the zero value is
// empty.
type keyring struct{ keys []*key }

// parseKeyring reads a JWK Set and keeps the keys that are fit to verify
// tokens. Keys that share a kid are all dropped: which one is meant would be a
// guess. A set with symmetric keys beside public ones was made by mistake, and
// shows secrets to everyone: none of it is used.
func parseKeyring(s string) (*keyring, error) {
	members, err := parseObject(s)
	if err != nil {
		return nil, err
	}
	all, ok := find(members, "keys").elements()
	switch {
	case !ok:
		return nil, errJWKS
	case len(all) > maxKeys:
		return nil, errJWKSSize
	case slices.ContainsFunc(all, symmetric):
		return nil, errJWKSEmpty
	}
	r := &keyring{distinct(usable(all), kids(all))}
	if len(r.keys) == 0 {
		return nil, errJWKSEmpty
	}
	return r, nil
}

func usable(all []value) []*key {
	var keys []*key
	for _, v := range all {
		if k, err := parseKey(v); err == nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// distinct drops the keys whose kid occurs more than once in the set, be the
// others usable or not.
func distinct(keys []*key, kids map[string]int) []*key {
	return slices.DeleteFunc(keys, func(k *key) bool { return kids[k.id] > 1 })
}

func kids(all []value) map[string]int {
	count := make(map[string]int)
	for _, v := range all {
		if kid, ok := memberText(v, "kid"); ok {
			count[kid]++
		}
	}
	return count
}

func symmetric(v value) bool {
	kty, _ := memberText(v, "kty")
	return kty == "oct"
}

func memberText(v value, name string) (string, bool) {
	members, err := parseObject(string(v))
	if err != nil {
		return "", false
	}
	return find(members, name).text()
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
// pointer, so what it verified stays cached; one that went is retired, and what
// it verified is no longer admitted.
func (r *keyring) renew(next *keyring, at time.Time) *keyring {
	merged := &keyring{make([]*key, 0, len(next.keys))}
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
