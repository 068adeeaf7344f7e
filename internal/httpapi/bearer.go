package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"curfew.dev/curfew/internal/authorization"
	"curfew.dev/curfew/internal/secret"
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
// without a name or role, or a secret that is unreadable, too short or shared. A
// secret that becomes so later opens nothing from then on, and the log says so.
func Bearer(tokens []NamedToken, log *slog.Logger) (func(*http.Request) (Caller, error), error) {
	holders := make(map[string]string)
	for i, t := range tokens {
		switch {
		case t.Name == "" || t.Secret == nil:
			return nil, fmt.Errorf("reading admin token %d: it needs a name and a secret", i+1)
		case t.Role < Read || t.Role > BreakGlass:
			return nil, fmt.Errorf("reading admin token %q: it needs a role: read, write or break_glass", t.Name)
		}
		value, err := t.Secret()
		if err == nil {
			err = secret.Check(value)
		}
		if err != nil {
			return nil, fmt.Errorf("reading admin token %q: %w", t.Name, err)
		}
		if other, shared := holders[string(value)]; shared {
			return nil, fmt.Errorf("reading admin token %q: it has the same secret as %q, so that nobody could tell the two apart: give each a secret of its own", t.Name, other)
		}
		holders[string(value)] = t.Name
	}
	b := &bearer{tokens: tokens, unusable: make([]atomic.Bool, len(tokens)), log: log}
	return b.authenticate, nil
}

type bearer struct {
	tokens   []NamedToken
	unusable []atomic.Bool // by the token's place: it was when it was read last
	log      *slog.Logger
}

// held is a token's secret as it was read just now.
type held struct {
	digest [sha256.Size]byte
	err    error // it can't be used
}

// authenticate compares with every token, whichever matched before, so that the
// time taken says nothing about names or order.
func (b *bearer) authenticate(r *http.Request) (Caller, error) {
	credential, err := bearerToken(r)
	if err != nil {
		return Caller{}, err
	}
	sent := sha256.Sum256([]byte(credential))
	found := -1
	for i, h := range b.read() {
		if subtle.ConstantTimeCompare(sent[:], h.digest[:]) == 1 && h.err == nil {
			found = i
		}
	}
	if found < 0 {
		return Caller{}, errors.New("the credential is not known here")
	}
	return Caller{Name: b.tokens[found].Name, Role: b.tokens[found].Role, Source: "admin"}, nil
}

// read reads the secrets. Two callers must not come to share one: the smaller
// would be taken for the greater.
func (b *bearer) read() []held {
	all := make([]held, len(b.tokens))
	for i, t := range b.tokens {
		value, err := t.Secret()
		if err == nil {
			err = secret.Check(value)
		}
		all[i] = held{sha256.Sum256(value), err}
	}
	for i := range all {
		for j := range all[:i] {
			if all[i].digest != all[j].digest || b.tokens[i].Name == b.tokens[j].Name && b.tokens[i].Role == b.tokens[j].Role {
				continue
			}
			for _, n := range []int{i, j} {
				if all[n].err == nil {
					all[n].err = errors.New("another token has the same secret: who calls can't be told")
				}
			}
		}
	}
	for i := range all {
		b.note(i, all[i].err)
	}
	return all
}

// note logs when a secret becomes unusable, and when it can be used again.
func (b *bearer) note(i int, err error) {
	if b.unusable[i].Swap(err != nil) == (err != nil) {
		return
	}
	t := b.tokens[i]
	if err != nil {
		b.log.Error("an admin token can't be used any more: its secret opens nothing until it is mended",
			"token", t.Name, "role", t.Role.String(), "error", err)
		return
	}
	b.log.Info("an admin token can be used again", "token", t.Name, "role", t.Role.String())
}

func bearerToken(r *http.Request) (string, error) {
	values := r.Header["Authorization"]
	token, err := authorization.Bearer(values)
	switch {
	case err == authorization.ErrNone:
		return "", ErrNoCredential
	case err == nil && len(values[0]) != len("Bearer ")+len(token):
		return "", errors.New("the credential has more than one space before it or after it")
	}
	return token, err
}
