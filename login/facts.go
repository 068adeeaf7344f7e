package login

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"curfew.dev/curfew/internal/strictjson"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// facts are what a session cookie holds. The host is bound to it by the seal, and
// the names of members are short because the cookie is small.
type facts struct {
	SignIn  string `json:"n"`
	Issuer  string `json:"i"`
	Subject string `json:"s"`
	Client  string `json:"c"`
	ID      string `json:"j"` // the jti
	SID     string `json:"d,omitempty"`
	Device  string `json:"v,omitempty"`
	Tenant  string `json:"t,omitempty"`
	KeyID   string `json:"k,omitempty"`

	IssuedAt int64 `json:"a"` // of the ID token
	AuthTime int64 `json:"u,omitempty"`
	Expires  int64 `json:"e"`
	Sealed   int64 `json:"z"` // the only one that sealing anew changes

	ACR   string   `json:"r,omitempty"`
	AMR   []string `json:"m,omitempty"`
	Scope []string `json:"o,omitempty"`

	Person string        `json:"p,omitempty"`
	Claims []sealedClaim `json:"l,omitempty"`
}

// sealedClaim is a claim that the configuration named when the session was made.
type sealedClaim struct {
	Name string `json:"n"`
	// Asked are digests of the values that were asked for; none: all.
	Asked []string `json:"a,omitempty"`
	// Value is the JSON text; empty: the provider did not send it.
	Value string `json:"v,omitempty"`
}

func (f *facts) claim(name string) *sealedClaim {
	for i := range f.Claims {
		if f.Claims[i].Name == name {
			return &f.Claims[i]
		}
	}
	return nil
}

// kept are the claims that the provider has sent.
func (f *facts) kept() strictjson.Object {
	var all strictjson.Object
	for _, c := range f.Claims {
		if c.Value != "" {
			all = append(all, strictjson.Member{Name: c.Name, Value: strictjson.Value(c.Value)})
		}
	}
	return all
}

// has reports whether the facts hold what the configuration names of a claim now.
func (f *facts) has(c *Claim) bool {
	s := f.claim(c.Name)
	switch {
	case s == nil || c.Values == nil && s.Asked != nil:
		return false
	case s.Asked == nil:
		return true
	}
	return !slices.ContainsFunc(c.Values, func(v string) bool { return !slices.Contains(s.Asked, digest6(v)) })
}

// digest6 tells configured values apart.
func digest6(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// credential is what guards judge.
func (f *facts) credential() revocation.Credential {
	c := revocation.Credential{
		Issuer: f.Issuer, Subject: f.Subject, Client: f.Client, Session: f.SID, Device: f.Device, Tenant: f.Tenant,
		TokenID: f.ID, KeyID: f.KeyID, IssuedAt: f.IssuedAt, AuthTime: f.AuthTime, ExpiresAt: f.Expires,
		ACR: f.ACR, AMR: f.AMR, Scope: f.Scope,
	}
	c.Seal()
	return c
}

func (f *facts) encode() []byte {
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // strings and numbers
	}
	return text
}

// keep returns the part of a claim's value that a session keeps, as JSON text. If the
// configuration names values, only those are kept of an array, so that a thousand
// groups don't fill the cookie.
func (c *Claim) keep(v strictjson.Value) string {
	if v == "null" {
		return ""
	}
	members, isArray := v.Elements()
	if c.Values == nil || !isArray {
		return string(v)
	}
	kept := []string{}
	for _, m := range members {
		if text, ok := m.Scalar(); ok && slices.ContainsFunc(c.Values, func(want string) bool { return policy.MatchesClaim(want, text) }) {
			kept = append(kept, string(m))
		}
	}
	return "[" + strings.Join(kept, ",") + "]"
}

// seal makes the claim's place in a session.
func (c *Claim) seal(v strictjson.Value) sealedClaim {
	s := sealedClaim{Name: c.Name, Value: c.keep(v)}
	for _, value := range c.Values {
		s.Asked = append(s.Asked, digest6(value))
	}
	return s
}
