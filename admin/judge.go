package admin

import (
	"errors"
	"net/http"
	"time"
)

// judgeEvery is how soon a call that goes on notices that its caller would not
// be let in any more.
const judgeEvery = 500 * time.Millisecond

// ErrStopping is what a Config.Again returns once no configuration in force
// answers for the call: the gateway stops, or has another ledger now.
var ErrStopping = errors.New("the gateway is stopping, or has another configuration")

// stillLetIn judges a call that goes on as if it came now: by its credential, by
// what the ledger says of it, and by the configuration in force. A caller whose
// role has become smaller is not the one that was let in.
func (a *api) stillLetIn(c *call) *Problem {
	role, err := a.Again(c.request, c.caller)
	if p := refusalOf(err); p != nil {
		return p
	}
	return (&call{caller: Caller{Role: role}}).needs(c.caller.Role)
}

// again authenticates anew.
func (a *api) again(r *http.Request, was Caller) (Role, error) {
	now, err := a.Authenticate(r)
	if err == nil && now.key() != was.key() {
		err = errors.New("the credential is another caller's now")
	}
	return now.Role, err
}

// refusalOf says what a failed authentication means to who failed.
func refusalOf(err error) *Problem {
	var p *Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p
	case errors.Is(err, ErrNoCredential):
		return noCredential.because("send Authorization: Bearer").with("WWW-Authenticate", "Bearer")
	case errors.Is(err, ErrStopping):
		return ledgerUnavailable.because("%s: send what is left again, with the same Idempotency-Key", err).retryAfter(1)
	}
	return invalidToken.because("the credential is not one that is let in here").
		with("WWW-Authenticate", `Bearer error="invalid_token"`)
}
