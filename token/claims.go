package token

import (
	"fmt"
	"slices"
	"strings"

	"curfew.dev/curfew/internal/strictjson"
	"curfew.dev/curfew/revocation"
)

// claims are the claims that are read of a token's payload. Their types are
// checked, their meanings are not.
type claims struct {
	issuer, subject, session, tokenID string
	person                            string // of the claim that stands for sub
	client, authorizedParty           string
	parties                           []string // by the claims that may hold the client
	device, tenant, acr               string
	kind                              string // the private claim typ of some providers
	audiences, amr, scope             []string
	otherAudiences                    []string // of the claim that stands for aud
	issuedAt, expiresAt               int64
	notBefore, authTime               int64
	hasEvents, hasConfirmation        bool
	hasNonce                          bool
	events                            strictjson.Value
	confirmation                      confirmation
	hasTokenHash, hasScope            bool
	marked                            bool // it has a claim of access tokens, whatever is in it
	ignored                           []string
	extra                             strictjson.Object
}

// claimWords are the claims to which this package, go-oidc or a service behind the
// gateway gives a meaning.
var claimWords = []string{
	"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "azp", "client_id", "auth_time", "acr", "amr",
	"scope", "scp", "cnf", "events", "nonce", "typ", "at_hash", "c_hash", "_claim_names", "_claim_sources",
}

// dialect is how one issuer's payloads are read.
type dialect struct {
	words          vocabulary
	device, tenant string
	subject        string
	audience       string
	clients        []string
	extra          []string
}

// clientClaims hold the client where the configuration names none.
var clientClaims = []string{"client_id", "azp"}

func newDialect(i Issuer, extra []string) (dialect, error) {
	words := newVocabulary(claimWords...)
	clients := i.ClientClaims
	if len(clients) == 0 {
		clients = clientClaims
	}
	for _, name := range slices.Concat([]string{i.SubjectClaim, i.DeviceClaim, i.TenantClaim, i.AudienceClaim}, clients, extra) {
		if words.mistaken(name) {
			return dialect{}, fmt.Errorf("issuer %s: claim %q differs from %q only in case: use one of them",
				i.URL, name, words[fold(name)])
		}
		if name != "" {
			words[fold(name)] = name
		}
	}
	return dialect{words, i.DeviceClaim, i.TenantClaim, i.SubjectClaim, i.AudienceClaim, clients, extra}, nil
}

// read sorts the members of a payload into claims. An error names the claim,
// by a name that we know or the configuration has.
func (d dialect) read(members strictjson.Object) (*claims, error) {
	c := &claims{parties: make([]string, len(d.clients))}
	for _, m := range members {
		if d.words.mistaken(m.Name) {
			return nil, invalid("claims: " + d.words[fold(m.Name)] + " is written in another case")
		}
		want := c.set(m)
		if want == "" && m.Name != "" {
			want = d.own(c, m)
		}
		if want != "" {
			return nil, invalid("claims: " + m.Name + " is not " + want)
		}
		if slices.Contains(d.extra, m.Name) {
			c.extra = append(c.extra, m)
		}
	}
	return c, nil
}

// own reads the claims that the configuration names. Like set, it returns the type
// that a claim should have had.
func (d dialect) own(c *claims, m strictjson.Member) string {
	var want string
	if m.Name == d.device {
		want = c.optional(m, &c.device)
	}
	if m.Name == d.tenant && want == "" {
		want = c.optional(m, &c.tenant)
	}
	if m.Name == d.subject && want == "" {
		want = unless(readSubject(m.Value, &c.person), anID)
	}
	if m.Name == d.audience && want == "" && !m.Value.Empty() {
		want = unless(readAudiences(m.Value, &c.otherAudiences), anAudience)
	}
	if n := slices.Index(d.clients, m.Name); n >= 0 && want == "" {
		want = c.optional(m, &c.parties[n])
	}
	return want
}

// The types of claims, in messages.
const (
	aDate      = "a number of seconds since 1970 in range"
	anID       = "a string within the limits of length"
	aText      = "a string"
	anAudience = "a string, or a list of strings, none of them empty"
)

// set reads one claim. If the token must be refused for it, set returns the type
// that the claim should have had. docs/decisions/0019 has the reason for each.
func (c *claims) set(m strictjson.Member) string {
	switch m.Name {
	case "iss":
		return unless(readID(m.Value, &c.issuer), anID)
	case "sub":
		return unless(readSubject(m.Value, &c.subject), anID)
	case "aud":
		return unless(readAudiences(m.Value, &c.audiences), anAudience)
	case "iat":
		return unless(readDate(m.Value, &c.issuedAt) && c.issuedAt > 0, aDate)
	case "exp":
		return unless(readDate(m.Value, &c.expiresAt) && c.expiresAt > 0, aDate)
	case "nbf":
		return unless(readDate(m.Value, &c.notBefore), aDate)
	case "auth_time":
		return unless(readDate(m.Value, &c.authTime) && c.authTime > 0, aDate)
	case "sid":
		return c.optional(m, &c.session)
	case "jti":
		return c.optional(m, &c.tokenID)
	case "client_id":
		c.marked = true
		return c.optional(m, &c.client)
	case "azp":
		return c.optional(m, &c.authorizedParty)
	case "typ":
		return unless(readText(m.Value, &c.kind), aText)
	case "acr":
		c.ignoreUnless(readText(m.Value, &c.acr), m)
	case "amr":
		c.ignoreUnless(readTexts(m.Value, &c.amr), m)
	case "scope", "scp":
		c.marked = true
		ok := readScope(m.Value, &c.scope)
		c.hasScope = c.hasScope || ok
		c.ignoreUnless(ok, m)
	case "events":
		c.hasEvents, c.events = true, m.Value
	case "nonce":
		c.hasNonce = true
	case "cnf":
		c.hasConfirmation, c.confirmation = true, readConfirmation(m.Value)
	case "at_hash", "c_hash":
		c.hasTokenHash = true
	}
	return ""
}

func unless(ok bool, want string) string {
	if ok {
		return ""
	}
	return want
}

// optional reads an identifier that a token may lack. An empty one can't be named
// by a revocation, so it counts as absent. Any other value of a wrong type might
// be the one that a revocation is meant for, so the token is refused.
func (c *claims) optional(m strictjson.Member, into *string) string {
	if m.Value.Empty() {
		c.ignoreUnless(false, m)
		return ""
	}
	return unless(readID(m.Value, into), anID)
}

// ignoreUnless notes a claim that counts as absent. Without it, the token can do
// less.
func (c *claims) ignoreUnless(ok bool, m strictjson.Member) {
	if !ok && !slices.Contains(c.ignored, m.Name) {
		c.ignored = append(c.ignored, m.Name)
	}
}

func readText(v strictjson.Value, into *string) (ok bool) {
	*into, ok = v.Text()
	return ok
}

// readID reads an identifier. An empty one would read as absent, and could
// then not be targeted.
func readID(v strictjson.Value, into *string) bool {
	return readText(v, into) && *into != "" && len(*into) <= revocation.MaxID
}

func readSubject(v strictjson.Value, into *string) bool {
	return readText(v, into) && *into != "" && len(*into) <= revocation.MaxSubject
}

func readTexts(v strictjson.Value, into *[]string) (ok bool) {
	*into, ok = v.Texts() // none where one is no string
	return ok
}

func readDate(v strictjson.Value, into *int64) (ok bool) {
	*into, ok = date(v)
	return ok
}

// readAudiences reads a string or a non-empty array of strings (RFC 7519,
// 4.1.3).
func readAudiences(v strictjson.Value, into *[]string) bool {
	if one, ok := v.Text(); ok {
		*into = []string{one}
	} else if !readTexts(v, into) {
		return false
	}
	return len(*into) > 0 && !slices.Contains(*into, "")
}

// readScope reads a space-separated string (RFC 8693, 4.2) or the array of
// strings that some providers send.
func readScope(v strictjson.Value, into *[]string) bool {
	list, isText := v.Text()
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

// party is the client that the token was issued to, by the first of the client's
// claims that the token has.
func (c *claims) party() string {
	for _, party := range c.parties {
		if party != "" {
			return party
		}
	}
	return ""
}
