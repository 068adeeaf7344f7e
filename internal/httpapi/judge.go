package httpapi

import (
	"errors"
	"net/http"
	"time"
)

// JudgeEvery is how soon a call that goes on notices that its caller would not
// be let in any more.
const JudgeEvery = 500 * time.Millisecond

// StillLetIn judges a call that goes on as if it came now: by its credential, by
// the ledger, and by the configuration in force. A caller whose role has become
// smaller is refused too.
func (c *Call) StillLetIn() *Problem {
	again := c.api.cfg.Again
	if again == nil {
		again = c.api.again
	}
	role, err := again(c.Request, c.Caller)
	if p := refusalOf(err); p != nil {
		return p
	}
	return (&Call{Caller: Caller{Role: role}}).Needs(c.Caller.Role)
}

// again authenticates anew.
func (a *API) again(r *http.Request, was Caller) (Role, error) {
	now, err := a.cfg.Authenticate(r)
	if err == nil && now.key() != was.key() {
		err = errors.New("the credential is another caller's now")
	}
	return now.Role, err
}

// refusalOf is the answer to a failed authentication.
func refusalOf(err error) *Problem {
	var p *Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p
	case errors.Is(err, ErrNoCredential):
		return NoCredential.Because("send Authorization: Bearer").With("WWW-Authenticate", "Bearer")
	}
	return InvalidToken.Because("the credential is not one that is let in here").
		With("WWW-Authenticate", `Bearer error="invalid_token"`)
}
