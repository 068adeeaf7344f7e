package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// NamedToken is a bearer token and whom it stands for. The same name may carry
// two tokens, for rotation.
type NamedToken struct {
	Name string
	Role Role
	// Secret returns the token's bytes, exactly as they are sent. It is asked
	// again for every request, so that a file that changed counts at once, and
	// should be cheap. A secret that can't be read opens nothing.
	Secret func() ([]byte, error)
}

// Bearer authenticates callers by the tokens of their Authorization header (RFC
// 6750 section 2.1). It refuses at once what could never be safe: a token
// without a name or role, or a secret that is unreadable, empty or shared.
func Bearer(tokens []NamedToken) (func(*http.Request) (Caller, error), error) {
	holders := make(map[string]string)
	for i, t := range tokens {
		switch {
		case t.Name == "" || t.Secret == nil:
			return nil, fmt.Errorf("reading admin token %d: it needs a name and a secret", i+1)
		case t.Role < Read || t.Role > BreakGlass:
			return nil, fmt.Errorf("reading admin token %q: it needs a role: read, write or break_glass", t.Name)
		}
		secret, err := t.Secret()
		if err != nil {
			return nil, fmt.Errorf("reading admin token %q: %w", t.Name, err)
		}
		if len(secret) == 0 {
			return nil, fmt.Errorf("reading admin token %q: the secret is empty", t.Name)
		}
		if other, shared := holders[string(secret)]; shared {
			return nil, fmt.Errorf("reading admin token %q: it has the same secret as %q: who calls could not be told", t.Name, other)
		}
		holders[string(secret)] = t.Name
	}
	return bearer(tokens).authenticate, nil
}

type bearer []NamedToken

// authenticate compares with every token, whichever matched before, so that the
// time taken says nothing about names or order.
func (b bearer) authenticate(r *http.Request) (Caller, error) {
	credential, err := bearerToken(r)
	if err != nil {
		return Caller{}, err
	}
	sent := sha256.Sum256([]byte(credential))
	found := -1
	for i, t := range b {
		secret, err := t.Secret()
		want := sha256.Sum256(secret)
		usable := err == nil && len(secret) > 0
		if subtle.ConstantTimeCompare(sent[:], want[:]) == 1 && usable {
			found = i
		}
	}
	if found < 0 {
		return Caller{}, errors.New("the credential is not known here")
	}
	return Caller{Name: b[found].Name, Role: b[found].Role, Source: "admin"}, nil
}

func bearerToken(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	switch len(values) {
	case 0:
		return "", ErrNoCredential
	case 1:
	default:
		return "", errors.New("the request carries more than one credential")
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errors.New("the credential is not a bearer token")
	}
	return token, nil
}
