package token

import (
	"net/http"
	"strings"

	"curfew.dev/curfew/internal/authorization"
	"curfew.dev/curfew/internal/origin"
)

// Source is a place in a request where a token may be. The zero value is the
// Authorization header.
type Source struct {
	Cookie string // the cookie's name
}

// Sources are the places that are looked at; none means the Authorization
// header.
type Sources []Source

// The answers on public routes too, so they are made once.
var (
	errMissing = &Error{Kind: Missing, Detail: "there is no credential"}
	errForeign = &Error{Kind: Missing, Detail: "a cookie is no credential for this request without a same-origin Origin or Sec-Fetch-Site"}
)

// Found is the token of a request as it was found.
type Found struct {
	Raw  string
	From Source
	// DPoP: the DPoP scheme was used (RFC 9449, 7.1).
	DPoP bool
}

// Extract returns the one bearer token of a request and where it was. It refuses
// the DPoP scheme. Errors are those of [Sources.Find].
func (s Sources) Extract(r *http.Request) (raw string, from Source, err error) {
	f, err := s.Find(r)
	switch {
	case f.DPoP:
		return "", Source{}, invalid(authorization.ErrDPoP.Error())
	case err != nil:
		return "", Source{}, err
	}
	return f.Raw, f.From, nil
}

// Find returns the one token of a request. Errors are of type *[Error]: Missing;
// Ambiguous, where there is more than one; Invalid, where the credential can't be a
// token. Even with an error, it says whether the DPoP scheme was used. A place with
// an empty value holds no credential, whichever place it is. The body is never read.
func (s Sources) Find(r *http.Request) (f Found, err error) {
	if len(s) == 0 {
		f.Raw, f.DPoP, err = inHeader(r.Header["Authorization"])
		return f, err
	}
	for _, source := range s {
		raw, dpop, err := source.find(r)
		f.DPoP = f.DPoP || dpop
		switch {
		case err == errMissing:
		case err != nil:
			return Found{DPoP: f.DPoP}, err
		case f.Raw != "":
			return Found{DPoP: f.DPoP}, ambiguous("two sources carry a credential")
		default:
			f.Raw, f.From = raw, source
		}
	}
	switch {
	case f.Raw == "":
		return f, errMissing
	case f.From.Cookie != "" && changesState(r) && !fromOwnPage(r):
		// This comes last: together with another credential, the cookie is one too
		// many, whichever page sent it.
		return Found{}, errForeign
	}
	return f, nil
}

func (s Source) find(r *http.Request) (raw string, dpop bool, err error) {
	if s.Cookie == "" {
		return inHeader(r.Header["Authorization"])
	}
	raw, err = cookie(r.Header["Cookie"], s.Cookie)
	return raw, false, err
}

// inHeader takes schemes other than Bearer and DPoP for no credential. No token has
// a comma; proxies join two headers with one.
func inHeader(values []string) (raw string, dpop bool, err error) {
	raw, dpop, err = authorization.Token(values)
	switch err {
	case nil:
		if strings.IndexByte(raw, ',') >= 0 {
			return "", dpop, ambiguous(authorization.ErrSeveral.Error())
		}
		return raw, dpop, nil
	case authorization.ErrNone, authorization.ErrScheme:
		return "", dpop, errMissing
	case authorization.ErrSeveral:
		return "", dpop, ambiguous(authorization.ErrSeveral.Error())
	case authorization.ErrRepeated:
		return "", dpop, ambiguous(err.Error())
	}
	return "", dpop, invalid(err.Error())
}

// cookie finds the one cookie of that name. Names are compared byte for byte,
// as browsers do. Some services leave an empty cookie behind at a
// sign-out, also in quotes (RFC 6265 section 4.1.1).
func cookie(lines []string, name string) (raw string, err error) {
	found := false
	for _, line := range lines {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			key, value, ok := strings.Cut(pair, "=")
			if !ok || strings.Trim(key, " \t") != name {
				continue
			}
			if found {
				return "", ambiguous("the cookie is repeated")
			}
			raw, found = strings.Trim(value, " \t"), true
		}
	}
	if raw == "" || raw == `""` {
		return "", errMissing
	}
	return raw, nil
}

// changesState reports whether a page of another site could do harm by making
// the browser send this request with its cookies.
func changesState(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return len(r.Header["Upgrade"]) > 0
	}
	return true
}

// fromOwnPage reports whether the browser says that the page is of our origin.
// Origin decides where there is one: browsers send it with every WebSocket and
// every unsafe request, and Sec-Fetch-Site is younger.
func fromOwnPage(r *http.Request) bool {
	if origins := r.Header["Origin"]; len(origins) > 0 {
		return len(origins) == 1 && origin.IsOf(origins[0], r, origin.MayEndEarlier)
	}
	site := r.Header["Sec-Fetch-Site"]
	return len(site) == 1 && site[0] == "same-origin"
}
