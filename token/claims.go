package token

import (
	"fmt"
	"slices"
	"strings"

	"curfew.dev/curfew/revocation"
)

// claims is what is read of a token's payload. Shapes are checked, meanings
// are not.
type claims struct {
	issuer, subject, session, tokenID string
	client, authorizedParty           string
	device, tenant, acr               string
	kind                              string // the private claim typ of some providers
	audiences, amr, scope             []string
	issuedAt, expiresAt               int64
	notBefore, authTime               int64
	hasEvents, hasConfirmation        bool
	hasTokenHash, hasScope            bool
	extra                             []member
}

// claimWords are the claims that something behind us, or go-oidc beside us,
// gives a meaning.
var claimWords = []string{
	"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "azp", "client_id", "auth_time", "acr", "amr",
	"scope", "scp", "cnf", "events", "nonce", "typ", "at_hash", "c_hash", "_claim_names", "_claim_sources",
}

// dialect is how one issuer's payloads are read.
type dialect struct {
	words          vocabulary
	device, tenant string
	extra          []string
}

func newDialect(i Issuer, extra []string) (dialect, error) {
	words := newVocabulary(claimWords...)
	for _, name := range append([]string{i.DeviceClaim, i.TenantClaim}, extra...) {
		if words.mistaken(name) {
			return dialect{}, fmt.Errorf("issuer %s: claim %q differs from %q only in case: use one of them",
				i.URL, name, words[fold(name)])
		}
		if name != "" {
			words[fold(name)] = name
		}
	}
	return dialect{words, i.DeviceClaim, i.TenantClaim, extra}, nil
}

// read sorts the members of a payload into claims.
func (d dialect) read(members []member) (*claims, error) {
	c := new(claims)
	for _, m := range members {
		if d.words.mistaken(m.name) {
			return nil, invalid("claims: a known claim in the wrong case")
		}
		if !c.set(m) || !d.own(c, m) {
			return nil, invalid("claims: one has the wrong type, is empty, too long or out of range")
		}
		if slices.Contains(d.extra, m.name) {
			c.extra = append(c.extra, m)
		}
	}
	return c, nil
}

// own reads the claims that the configuration names.
func (d dialect) own(c *claims, m member) bool {
	if m.name == d.device && !readID(m.value, &c.device) {
		return false
	}
	return m.name != d.tenant || readID(m.value, &c.tenant)
}

// set reads one claim and reports whether it has the right shape.
func (c *claims) set(m member) bool {
	switch m.name {
	case "iss":
		return readID(m.value, &c.issuer)
	case "sub":
		return readText(m.value, &c.subject) && c.subject != "" && len(c.subject) <= revocation.MaxSubject
	case "sid":
		return readID(m.value, &c.session)
	case "jti":
		return readID(m.value, &c.tokenID)
	case "client_id":
		return readID(m.value, &c.client)
	case "azp":
		return readID(m.value, &c.authorizedParty)
	case "acr":
		return readText(m.value, &c.acr)
	case "typ":
		return readText(m.value, &c.kind)
	case "aud":
		return readAudiences(m.value, &c.audiences)
	case "amr":
		return readTexts(m.value, &c.amr)
	case "scope", "scp":
		c.hasScope = true
		return readScope(m.value, &c.scope)
	case "iat":
		return readDate(m.value, &c.issuedAt)
	case "exp":
		return readDate(m.value, &c.expiresAt)
	case "nbf":
		return readDate(m.value, &c.notBefore)
	case "auth_time":
		return readDate(m.value, &c.authTime)
	case "events":
		c.hasEvents = true
	case "cnf":
		c.hasConfirmation = true
	case "at_hash", "c_hash":
		c.hasTokenHash = true
	}
	return true
}

func readText(v value, into *string) (ok bool) {
	*into, ok = v.text()
	return ok
}

// readID reads an identifier. An empty one would read as absent, and could
// then not be targeted.
func readID(v value, into *string) bool {
	return readText(v, into) && *into != "" && len(*into) <= revocation.MaxID
}

func readTexts(v value, into *[]string) (ok bool) {
	*into, ok = v.texts()
	return ok
}

func readDate(v value, into *int64) (ok bool) {
	*into, ok = v.date()
	return ok
}

// readAudiences reads a string or a non-empty array of strings (RFC 7519,
// 4.1.3).
func readAudiences(v value, into *[]string) bool {
	if one, ok := v.text(); ok {
		*into = []string{one}
	} else if !readTexts(v, into) {
		return false
	}
	return len(*into) > 0 && !slices.Contains(*into, "")
}

// readScope reads a space-separated string (RFC 8693, 4.2) or the array of
// strings that some providers send.
func readScope(v value, into *[]string) bool {
	list, isText := v.text()
	values := strings.Split(list, " ")
	if !isText {
		if !readTexts(v, &values) {
			return false
		}
	}
	for _, s := range values {
		if s != "" {
			*into = append(*into, s)
		}
	}
	return true
}

// party is the client that the token was issued to.
func (c *claims) party() string {
	if c.client != "" {
		return c.client
	}
	return c.authorizedParty
}
