package caddymodule

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"curfew.dev/curfew/token"
)

// identity writes the facts of a credential into request headers, and keeps
// out of them what a client can send.
type identity struct {
	mapped []mapping // further headers, by the configuration
}

type mapping struct{ header, claim string }

// reserved are headers that can't carry identity: they mean something else to
// HTTP, to Caddy or to us.
var reserved = []string{
	"Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Host", "Keep-Alive", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "X-Forwarded-For", "X-Forwarded-Host",
	"X-Forwarded-Proto", "Forwarded", "Via",
}

func newIdentity(headers map[string]string) (identity, error) {
	var id identity
	for header, claim := range headers {
		name := canonical(header)
		alike := func(other string) bool { return same(name, other) }
		switch {
		case !isToken(header) || claim == "":
			return id, in("identity_header", header, fmt.Errorf("identity_header %s %s: want a header's name and a claim's name", header, claim))
		case isOurs(name), slices.ContainsFunc(reserved, alike):
			return id, in("identity_header", header, fmt.Errorf("identity_header %s is reserved: choose another header", header))
		case slices.ContainsFunc(id.mapped, func(m mapping) bool { return alike(m.header) }):
			return id, in("identity_header", header, fmt.Errorf("identity_header %s is mapped twice, since servers take some characters of names for the same: remove one", header))
		}
		id.mapped = append(id.mapped, mapping{name, claim})
	}
	return id, nil
}

// prefix of the headers that are ours alone.
const prefix = "Curfew-"

// fold lower-cases a byte of a header's name and takes the characters that
// servers behind us may fold together as one: CGI turns all that are neither
// letters nor digits into "_".
func fold(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	}
	return '-'
}

func isOurs(name string) bool {
	if len(name) < len(prefix) {
		return false
	}
	return same(name[:len(prefix)], prefix)
}

func same(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if fold(a[i]) != fold(b[i]) {
			return false
		}
	}
	return true
}

// carries reports whether a header's name is one that identity travels in.
func (id *identity) carries(name string) bool {
	name = strings.TrimSpace(name)
	if isOurs(name) {
		return true
	}
	for i := range id.mapped {
		if same(name, id.mapped[i].header) {
			return true
		}
	}
	return false
}

// cleanse removes every spelling of our headers from what the client sent:
// headers, announced trailers, and names in Connection, which a proxy behind
// us would take as an order to drop them after we set them.
func (id *identity) cleanse(r *http.Request) {
	id.purge(r.Header)
	if r.Trailer != nil {
		id.cleanseTrailers(r)
	}
	dropHops(r.Header, id.carries)
}

// dropHops takes names out of the headers that tell the next proxy which headers
// are for it alone.
func dropHops(h http.Header, drop func(name string) bool) {
	for _, hop := range [...]string{"Connection", "Proxy-Connection"} {
		if lines := h[hop]; len(lines) > 0 {
			dropHop(h, hop, lines, drop)
		}
	}
}

func dropHop(h http.Header, hop string, lines []string, drop func(name string) bool) {
	if len(lines) == 1 && !strings.Contains(lines[0], ",") && !drop(strings.TrimSpace(lines[0])) {
		return // the everyday case, without work
	}
	var kept []string
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" && !drop(name) {
				kept = append(kept, name)
			}
		}
	}
	if kept == nil {
		delete(h, hop)
		return
	}
	h[hop] = []string{strings.Join(kept, ", ")}
}

// anonymous says that nobody is known to be asking.
func (id *identity) anonymous(r *http.Request) {
	r.Header["Curfew-Authenticated"] = []string{"false"}
}

// identityHeaders are those that carry the facts of a credential.
var identityHeaders = [...]string{
	"Curfew-Authenticated", "Curfew-Issuer", "Curfew-Subject", "Curfew-Client", "Curfew-Session", "Curfew-Device",
	"Curfew-Tenant", "Curfew-Scope", "Curfew-Acr", "Curfew-Amr", "Curfew-Auth-Time", "Curfew-Expires-At",
}

// headerValues has room for the values of one request's headers: a handler
// behind us may change them in place, so they can't be shared between requests.
type headerValues [len(identityHeaders)]string

// facts are what a credential says, as it is passed on. They are made once for
// each token, not for each request.
type facts struct {
	values       headerValues // of identityHeaders; empty: the token lacks it
	user, hashed any          // the subject, as log_user has it
}

// factsOf returns the facts of a token.
func factsOf(t *token.Token) *facts {
	if f, ok := t.Memo.Load().(*facts); ok {
		return f
	}
	c := &t.Credential
	f := &facts{
		user: c.Subject, hashed: hashed(c.Issuer, c.Subject),
		values: headerValues{
			"true", visible(c.Issuer), visible(c.Subject), visible(c.Client), visible(c.Session), visible(c.Device),
			visible(c.Tenant), list(c.Scope), visible(c.ACR), list(c.AMR), unix(c.AuthTime), unix(c.ExpiresAt),
		},
	}
	t.Memo.Store(f)
	return f
}

// set writes the facts of a verified token. Facts that it lacks have no header.
func (id *identity) set(h http.Header, t *token.Token, room *headerValues) {
	*room = factsOf(t).values
	for i, name := range identityHeaders {
		if room[i] != "" {
			h[name] = room[i : i+1 : i+1]
		}
	}
	for _, m := range id.mapped {
		if value, ok := t.Claim(m.claim); ok && value != "" {
			h[m.header] = []string{visible(value)}
		}
	}
}

func unix(t int64) string {
	if t == 0 {
		return ""
	}
	return strconv.FormatInt(t, 10)
}

// list joins values with spaces; the ones within a value are encoded.
func list(values []string) string {
	if !slices.ContainsFunc(values, func(v string) bool { return !isVisible(v) }) {
		return strings.Join(values, " ")
	}
	encoded := make([]string, len(values))
	for i, v := range values {
		encoded[i] = visible(v)
	}
	return strings.Join(encoded, " ")
}

func isVisible(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '%' {
			return false
		}
	}
	return true
}

// visible percent-encodes what is not visible ASCII, and "%" with it so that
// the encoding can be undone.
func visible(s string) string {
	if isVisible(s) {
		return s
	}
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '%' {
			b = append(b, '%', digits[c>>4], digits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
