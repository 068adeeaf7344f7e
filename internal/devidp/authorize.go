package devidp

import (
	"errors"
	"net/http"
	"net/url"
)

// authorize is the authorization endpoint (OpenID Connect Core section 3.1.2).
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	request, ok := p.readAuthorization(w, r, authorizationValues(r))
	if !ok {
		return
	}
	earlier, ok := p.session(r)
	switch {
	case ok && request.satisfiedBy(earlier.Authentication, p.now().Unix()):
		p.grantCode(w, r, request, earlier.Authentication)
	case request.none:
		p.redirectError(w, r, request.values, &Error{"login_required", "the user must sign in"})
	default:
		p.showSignIn(w, http.StatusOK, request, "")
	}
}

// authorizationValues returns the parameters of a request: the query of a GET,
// or the body of a POST.
func authorizationValues(r *http.Request) url.Values {
	if r.Method == http.MethodPost {
		return r.PostForm
	}
	return r.URL.Query()
}

// readAuthorization checks a request and answers a request that it refuses.
// Once the redirect URI is known to be valid, it answers with a redirect. Until
// then it answers with a page.
func (p *Provider) readAuthorization(w http.ResponseWriter, r *http.Request, values url.Values) (authorizationRequest, bool) {
	client, redirectURI, err := p.directory.parseRedirect(values)
	if err != nil {
		p.showError(w, http.StatusBadRequest, err)
		return authorizationRequest{}, false
	}
	request, refusal := parseAuthorization(values, client, redirectURI)
	if refusal != nil {
		p.redirectError(w, r, values, refusal)
		return authorizationRequest{}, false
	}
	return request, true
}

// grantCode answers the request with an authorization code.
func (p *Provider) grantCode(w http.ResponseWriter, r *http.Request, request authorizationRequest, a authentication) {
	acr, ok := a.acr(request.acrValues)
	if !ok {
		p.showError(w, http.StatusInternalServerError, errors.New("granting code: the authentication is too weak"))
		return
	}
	secret := newSecret()
	p.store.view(func(s *state) {
		s.codes.put(code{
			Digest:         digest(secret),
			Authentication: a,
			ACR:            acr,
			Client:         request.client.ID,
			RedirectURI:    request.redirectURI,
			Challenge:      request.challenge,
			Nonce:          request.nonce,
			Scope:          request.scope,
			Expires:        p.now().Add(codeLifetime).Unix(),
		})
	})
	p.redirect(w, r, request.values, url.Values{"code": {secret}})
}

func (p *Provider) redirectError(w http.ResponseWriter, r *http.Request, request url.Values, refusal *Error) {
	p.redirect(w, r, request, url.Values{"error": {refusal.Code}, "error_description": {refusal.Description}})
}

// redirect answers the client, with its state and our iss (RFC 9207). The
// caller must know that the redirect URI is the client's. The status is 303, so
// that no browser posts the password to the client (RFC 9700 section 4.12).
func (p *Provider) redirect(w http.ResponseWriter, r *http.Request, request, answer url.Values) {
	answer.Set("iss", p.issuer)
	if state := request["state"]; len(state) == 1 {
		answer.Set("state", state[0])
	}
	http.Redirect(w, r, withQuery(request.Get("redirect_uri"), answer), http.StatusSeeOther)
}

// withQuery adds parameters to a URI and keeps its own. The URI was checked
// when it was configured.
func withQuery(uri string, add url.Values) string {
	u, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += add.Encode()
	return u.String()
}
