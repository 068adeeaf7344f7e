package devidp

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// token is the token endpoint (RFC 6749 section 3.2, OpenID Connect Core
// sections 3.1.3 and 12).
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	tokens, err := p.redeem(r.PostForm)
	if err == nil {
		writeJSON(w, http.StatusOK, tokens)
		return
	}
	refusal, status := &Error{Code: "server_error"}, http.StatusInternalServerError
	if errors.As(err, &refusal) {
		status = http.StatusBadRequest
	}
	if refusal.Code == "invalid_client" {
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Basic realm="devidp"`)
	}
	writeJSON(w, status, refusal)
}

func (p *Provider) redeem(form url.Values) (Tokens, error) {
	if refusal := checkParameters(form); refusal != nil {
		return Tokens{}, refusal
	}
	client, ok := p.directory.clients[form.Get("client_id")]
	if !ok {
		return Tokens{}, &Error{"invalid_client", "client_id must be in the body and name a configured client"}
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		return p.redeemCode(client, form)
	case "refresh_token":
		return p.refresh(client, form)
	}
	return Tokens{}, &Error{"unsupported_grant_type", "grant_type must be authorization_code or refresh_token"}
}

func (p *Provider) redeemCode(client Client, form url.Values) (Tokens, error) {
	var g grant
	var nonce string
	secret := newSecret()
	err := p.store.update(func(s *state) error {
		c, refusal := s.takeCode(form, client, p.now().Unix())
		if refusal != nil {
			return refusal
		}
		g = grant{
			ID: newSecret(), Authentication: c.Authentication, ACR: c.ACR, Client: client.ID, Scope: c.Scope,
			Secret: digest(secret), Expires: p.now().Add(grantLifetime).Unix(),
		}
		s.grants.put(g)
		c.Grant, nonce = g.ID, c.Nonce
		s.codes.put(c)
		return nil
	})
	if err != nil {
		return Tokens{}, err
	}
	return p.issue(client, g, g.Scope, refreshToken(g.ID, secret), nonce)
}

// takeCode spends a code. A code that is presented again ends its grant (RFC
// 6749 section 4.1.2), because one of the two presenters is not the client.
func (s *state) takeCode(form url.Values, client Client, now int64) (code, *Error) {
	c, ok := s.codes.get(digest(form.Get("code")))
	if !ok {
		return code{}, invalidGrant("the code is unknown")
	}
	if c.Spent {
		s.grants.remove(c.Grant)
		return code{}, invalidGrant("the code was used before")
	}
	c.Spent = true
	s.codes.put(c)
	switch {
	case now >= c.Expires:
		return code{}, invalidGrant("the code has expired")
	case c.Client != client.ID:
		return code{}, invalidGrant("the code is another client's")
	case c.RedirectURI != form.Get("redirect_uri"):
		return code{}, invalidGrant("redirect_uri is not that of the authorization request")
	case !validVerifier(form.Get("code_verifier")) || !sameSecret(digest(form.Get("code_verifier")), c.Challenge):
		return code{}, invalidGrant("code_verifier does not fit code_challenge")
	}
	return c, nil
}

// validVerifier checks the form of RFC 7636 section 4.1.
func validVerifier(verifier string) bool {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return len(verifier) >= 43 && len(verifier) <= 128 && strings.Trim(verifier, unreserved) == ""
}

func (p *Provider) refresh(client Client, form url.Values) (Tokens, error) {
	id, secret, ok := parseRefreshToken(form.Get("refresh_token"))
	if !ok {
		return Tokens{}, invalidGrant("the refresh token is malformed")
	}
	var g grant
	scope, next := strings.Fields(form.Get("scope")), newSecret()
	err := p.store.update(func(s *state) error {
		var refusal *Error
		if g, refusal = s.takeRefresh(id, secret, client, p.now().Unix()); refusal != nil {
			return refusal
		}
		if _, known := p.directory.users[g.Authentication.Subject]; !known {
			return invalidGrant("the user is not configured any more")
		}
		if len(scope) == 0 {
			scope = g.Scope
		}
		if slices.ContainsFunc(scope, func(token string) bool { return !slices.Contains(g.Scope, token) }) {
			return &Error{"invalid_scope", "scope is wider than what was granted"}
		}
		g.Secret = digest(next)
		s.grants.put(g)
		return nil
	})
	if err != nil {
		return Tokens{}, err
	}
	return p.issue(client, g, scope, refreshToken(g.ID, next), "")
}

// takeRefresh checks a refresh token. An old token that is used again ends its
// family (RFC 9700 section 4.14.2), because either a thief or the client holds
// the newer one.
func (s *state) takeRefresh(id, secret string, client Client, now int64) (grant, *Error) {
	g, ok := s.grants.get(id)
	switch {
	case !ok:
		return grant{}, invalidGrant("the refresh token is unknown or revoked")
	case g.Client != client.ID:
		return grant{}, invalidGrant("the refresh token is another client's")
	case !sameSecret(digest(secret), g.Secret):
		s.grants.remove(id)
		return grant{}, invalidGrant("the refresh token was used before: its family is revoked")
	case now >= g.Expires:
		s.grants.remove(id)
		return grant{}, invalidGrant("the refresh token has expired")
	}
	return g, nil
}

// A refresh token is the id of its grant, a dot, and the newest secret.
func refreshToken(grant, secret string) string { return grant + "." + secret }

func parseRefreshToken(token string) (grant, secret string, ok bool) {
	grant, secret, ok = strings.Cut(token, ".")
	return grant, secret, ok && len(grant) == len(digest("")) && len(secret) == len(digest(""))
}

// Tokens is a successful answer of the token endpoint: RFC 6749 section 5.1
// with the id_token of OpenID Connect.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope"`
	// Nonce is the nonce that [SignIn] requested. The ID token must contain it.
	Nonce string `json:"-"`
}

// String keeps tokens out of logs and test output.
func (Tokens) String() string { return "devidp.Tokens(redacted)" }

// GoString is [Tokens.String].
func (t Tokens) GoString() string { return t.String() }
