package caddymodule

import (
	"sync/atomic"

	"curfew.dev/curfew/internal/identity"
	"curfew.dev/curfew/token"
)

// shownFacts holds the facts of a credential in the form in which they are
// passed on. It is made once for each credential, not for each request.
type shownFacts struct {
	headers      identity.Values
	user, hashed any // the subject, as log_user says
	claims       atomic.Pointer[metClaims]
}

// factsOf returns the facts of a credential.
func factsOf(t *token.Verified) *shownFacts {
	if f, ok := t.Memo.Load().(*shownFacts); ok {
		return f
	}
	c := &t.Credential
	facts := identity.Facts{
		Issuer: c.Issuer, Subject: c.Subject, Client: c.Client, Session: c.Session, Device: c.Device, Tenant: c.Tenant,
		Scope: c.Scope, ACR: c.ACR, AMR: c.AMR, AuthTime: c.AuthTime, ExpiresAt: c.ExpiresAt,
	}
	f := &shownFacts{headers: facts.Values(), user: c.Subject, hashed: hashed(c.Issuer, c.Subject)}
	t.Memo.Store(f)
	return f
}
