// Package authorization reads the Authorization header of a request, for the
// guard and the admin API alike, and says which values the challenge of a refusal
// can carry. A header that two readers could take for two credentials is an error.
//
// It must never judge the token, and never put any of it into an error.
//
// Read bearer.go first (the request), then challenge.go (the refusal).
package authorization

import (
	"errors"
	"strings"
)

// The reasons why a header gives no token.
var (
	// ErrNone: there is no header, or its value is blank.
	ErrNone = errors.New("there is no credential")
	// ErrScheme: the credential is of another scheme, such as Basic.
	ErrScheme = errors.New("the credential is not a bearer token")
	// ErrDPoP: the token is bound to a key (RFC 9449, 7.1). It must not pass with
	// its binding unchecked.
	ErrDPoP = errors.New("the DPoP scheme is not supported here: the binding of its token is not verified")
	// ErrEmpty: the scheme is all that there is.
	ErrEmpty = errors.New("the scheme carries no token")
	// ErrRepeated: there are two headers, or more.
	ErrRepeated = errors.New("the Authorization header is repeated")
	// ErrSeveral: there is white space within the token.
	ErrSeveral = errors.New("the Authorization header carries more than one token")
)

// Bearer returns the one token in the values of the Authorization header (RFC
// 6750, 2.1). Its characters are not checked, but that there is no white space
// among them.
func Bearer(values []string) (string, error) {
	token, dpop, err := Token(values)
	if dpop {
		return "", ErrDPoP
	}
	return token, err
}

// Token is like [Bearer], and takes the DPoP scheme too (RFC 9449, 7.1). dpop says
// that it was used: the caller must then check the proof of possession.
func Token(values []string) (token string, dpop bool, err error) {
	if len(values) == 0 {
		return "", false, ErrNone
	}
	if len(values) > 1 {
		return "", false, ErrRepeated
	}
	value := strings.Trim(values[0], " \t")
	scheme, rest := value, ""
	if cut := strings.IndexAny(value, " \t"); cut >= 0 {
		scheme, rest = value[:cut], strings.Trim(value[cut:], " \t")
	}
	if dpop = strings.EqualFold(scheme, "DPoP"); !dpop && !strings.EqualFold(scheme, "Bearer") {
		if value == "" {
			return "", false, ErrNone
		}
		return "", false, ErrScheme
	}
	switch {
	case rest == "":
		return "", dpop, ErrEmpty
	case strings.IndexByte(rest, ' ') >= 0, strings.IndexByte(rest, '\t') >= 0:
		return "", dpop, ErrSeveral
	}
	return rest, dpop, nil
}
