package revocation

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"
)

// Issuer holds the configuration of one OpenID provider on which records and
// decisions depend. It is filled once and only read from then on.
type Issuer struct {
	// URL is the iss of the issuer's tokens, compared byte for byte.
	URL string
	// ClockSkew is how far the issuer's clock may be from the gateway's.
	ClockSkew time.Duration
	// Retention is how long after its sign-in a session may live.
	Retention time.Duration
	// MaxTokenLifetime bounds exp - iat. Cuts are kept at least this long: a
	// longer-lived token would outlive its own cut.
	MaxTokenLifetime time.Duration
	// SessionLifetime is the longest lifetime of the browser sessions that sign-ins
	// of this issuer make; 0: it has none. Cuts of one session, and cuts by iat, are
	// kept at least this long. Each session carries a device, whatever DeviceClaim
	// says.
	SessionLifetime time.Duration
	// RequireAuthTime refuses tokens without auth_time, except those of
	// machines.
	RequireAuthTime bool
	// DeviceClaim and TenantClaim name the claims that hold the device and the
	// organisation; empty: the issuer's tokens carry none. A token that is bound to a
	// key has that key's thumbprint as its device, unless DeviceClaim names another.
	DeviceClaim, TenantClaim string
	// ExemptClients are passed by when a cut reaches all clients of a user.
	ExemptClients []string
	// MachineClients act for themselves, whatever the subject of their tokens,
	// so their tokens carry no auth_time. A client that is the subject of its
	// token is one without being named.
	MachineClients []string
	// OnlyClients returns the clients that an accepted token can name; a nil
	// function or a nil list: any.
	OnlyClients func() []string
}

// Expired reports whether no guard admits the token of a credential any longer.
func (i *Issuer) Expired(c *Credential, now time.Time) bool {
	return !now.Before(time.Unix(c.ExpiresAt, 0).Add(i.ClockSkew)) ||
		!now.Before(time.Unix(c.IssuedAt, 0).Add(i.longest()))
}

// longest is how long after its iat a credential may be admitted.
func (i *Issuer) longest() time.Duration { return max(i.MaxTokenLifetime, i.SessionLifetime) }

// Issuers are the configured issuers by URL.
type Issuers map[string]*Issuer

// Find returns a configured issuer. The error is a [DraftError] that names the
// member and lists the configured issuers: a mistyped issuer must read neither
// "enforced" nor "nothing was seen".
func (all Issuers) Find(member, url string) (*Issuer, error) {
	if is := all[url]; is != nil {
		return is, nil
	}
	return nil, refuse(UnknownIssuer, member, "configured are: %s", strings.Join(slices.Sorted(maps.Keys(all)), ", "))
}

// Exempt lists the clients that a cut of the target passes by unless it is told
// to include them: sorted, without duplicates.
func (all Issuers) Exempt(t Target) []string {
	kind, _ := t.Kind()
	is := all[t.Issuer]
	if is == nil || !kind.UserWide() {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(is.ExemptClients)))
}

// forTarget returns the issuer of a target whose tokens can match it. A bound
// key may be used with any issuer, so its target gets the largest bounds of all.
func (all Issuers) forTarget(t *Target) (*Issuer, error) {
	if t.Issuer != "" {
		is, err := all.Find("target.iss", t.Issuer)
		if err == nil {
			err = is.enforceable(t)
		}
		return is, err
	}
	largest := new(Issuer)
	for _, is := range all {
		largest.ClockSkew = max(largest.ClockSkew, is.ClockSkew)
		largest.Retention = max(largest.Retention, is.Retention)
		largest.MaxTokenLifetime = max(largest.MaxTokenLifetime, is.MaxTokenLifetime)
		largest.SessionLifetime = max(largest.SessionLifetime, is.SessionLifetime)
	}
	return largest, nil
}

// enforceable refuses a target that no token of the issuer can match. Its record
// would read "enforced" and refuse nothing.
func (i *Issuer) enforceable(t *Target) error {
	// Any issuer may bind a token to a key, which is then the device.
	if t.Device != "" && i.DeviceClaim == "" && i.SessionLifetime == 0 && !isThumbprint(t.Device) {
		return refuse(Unenforceable, "target.device_id", "the tokens of this issuer carry no device (device_claim is not set); "+
			"what would be enforceable: {iss, sub}, {iss, sub, client_id} or {iss, sid}")
	}
	if t.Tenant != "" && i.TenantClaim == "" {
		return refuse(Unenforceable, "target.tenant", "the tokens of this issuer carry no organisation (tenant_claim is not set); "+
			"what would be enforceable: {iss, client_id} or {iss}")
	}
	if t.Client == "" || i.OnlyClients == nil {
		return nil
	}
	if only := i.OnlyClients(); only != nil && !slices.Contains(only, t.Client) {
		return refuse(Unenforceable, "target.client_id", "no token of this client is accepted: only ID tokens are, and theirs are %s "+
			"(the option client)", strings.Join(only, ", "))
	}
	return nil
}

// isThumbprint reports whether a device may be the key that a token is bound to: a
// SHA-256 in base64url (RFC 9449, 6.1; RFC 8705, 3.1).
func isThumbprint(device string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(device)
	return err == nil && len(sum) == sha256.Size && len(device) == base64.RawURLEncoding.EncodedLen(sha256.Size)
}

// isOfMachine reports whether a target names a client that acts for itself: by
// the configuration, as its own subject, or because its tokens were seen.
func (i *Issuer) isOfMachine(t *Target, o *Observed) bool {
	named := func(id string) bool { return slices.Contains(i.MachineClients, id) }
	switch {
	case t.Device != "":
		return false
	case t.Client != "" && (named(t.Client) || t.Client == t.Subject), named(t.Subject):
		return true
	}
	return o.Seen != nil && o.Seen(*t, func(c *Credential) bool {
		return c.AuthTime == 0 && (c.Client == c.Subject || named(c.Client))
	})
}
