package revocation

import (
	"crypto/sha256"
	"encoding/binary"
)

// Credential is the facts read from one verified token. Instants are whole
// Unix seconds, rounded down. A member that the token does not carry is the
// zero value.
//
// Call [Credential.Seal] once after filling it; from then on it is read-only
// and may be shared.
type Credential struct {
	Issuer  string
	Subject string
	Client  string
	Session string
	Device  string
	Tenant  string
	TokenID string
	KeyID   string
	JKT     string
	X5TS256 string

	IssuedAt  int64
	AuthTime  int64 // 0: absent
	ExpiresAt int64

	ACR       string
	AMR       []string
	Scope     []string
	Audiences []string

	keys    [numKinds]Key
	present uint32
}

// Key identifies one value of a target kind: the first 128 bits of a SHA-256
// over the kind and the length-prefixed members, so that no two targets share
// a key (iss "a|b" + sub "c" is not iss "a" + sub "b|c").
type Key [2]uint64

// Seal computes the index keys of the credential, one for each kind of target
// that can match it.
func (c *Credential) Seal() {
	c.present = 0
	t := Target{
		Issuer: c.Issuer, Subject: c.Subject, Client: c.Client, Device: c.Device, Session: c.Session,
		TokenID: c.TokenID, JKT: c.JKT, X5TS256: c.X5TS256, Tenant: c.Tenant, SignedBy: c.KeyID,
	}
	shape := t.shape()
	for k := KindSubject; k < numKinds; k++ {
		if want := shapes[k]; want&shape == want {
			c.keys[k] = keyOf(k, &t)
			c.present |= 1 << k
		}
	}
}

// Matcher returns a test for sealed credentials that every member of the target
// matches. A target of no kind matches nothing.
func (t Target) Matcher() func(*Credential) bool {
	kind, err := t.Kind()
	if err != nil {
		return func(*Credential) bool { return false }
	}
	want := keyOf(kind, &t)
	return func(c *Credential) bool {
		key, ok := c.key(kind)
		return ok && key == want
	}
}

// Hash spreads the accounts of sealed credentials, and thus whatever is kept
// by account: it is the same for all of one subject. 0: there is no subject.
func (c *Credential) Hash() uint64 { return c.keys[KindSubject][0] }

// Hash is the hash of all credentials that the target can match, if it names
// their subject; ok tells.
func (t Target) Hash() (hash uint64, ok bool) {
	if t.Issuer == "" || t.Subject == "" {
		return 0, false
	}
	return keyOf(KindSubject, &t)[0], true
}

func (c *Credential) key(k Kind) (Key, bool) { return c.keys[k], c.present&(1<<k) != 0 }

// keyOf is the key of a target of kind k. Members outside the kind are ignored.
func keyOf(k Kind, t *Target) Key {
	buf := make([]byte, 0, 256)
	buf = append(buf, byte(k))
	for i, value := range t.values() {
		if shapes[k]&(1<<i) != 0 {
			buf = binary.AppendUvarint(buf, uint64(len(*value)))
			buf = append(buf, *value...)
		}
	}
	sum := sha256.Sum256(buf)
	return Key{binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:16])}
}
