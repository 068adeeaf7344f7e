package devidp

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// logout is OpenID Connect RP-Initiated Logout. It requires the id_token_hint:
// only the holder of an ID token may end its session, so the link of a stranger
// can't. It ends the browser session and every refresh token of its sid.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	values := authorizationValues(r)
	hint, err := p.readHint(values.Get("id_token_hint"))
	if refusal := checkParameters(values); refusal != nil {
		err = refusal
	}
	if err != nil {
		p.showError(w, http.StatusBadRequest, err)
		return
	}
	target := values.Get("post_logout_redirect_uri")
	if target != "" && !slices.Contains(p.directory.clients[hint.Audience].PostLogoutRedirectURIs, target) {
		p.showError(w, http.StatusBadRequest, invalidRequest("post_logout_redirect_uri must be one of the client's"))
		return
	}
	if err := p.endSession(hint.SID); err != nil {
		p.showError(w, http.StatusInternalServerError, err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: p.cookieName(), Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	if target == "" {
		show(w, http.StatusOK, "", page{Title: "Signed out", Message: "You are signed out here."})
		return
	}
	answer := url.Values{}
	if values.Has("state") {
		answer.Set("state", values.Get("state"))
	}
	http.Redirect(w, r, withQuery(target, answer), http.StatusSeeOther)
}

func (p *Provider) endSession(sid string) error {
	return p.store.update(func(s *state) error {
		s.sessions.removeIf(func(v session) bool { return v.Authentication.SID == sid })
		s.grants.removeIf(func(v grant) bool { return v.Authentication.SID == sid })
		return nil
	})
}

// readHint verifies an ID token of this provider. It accepts an expired one,
// because users may sign out late.
func (p *Provider) readHint(token string) (claims, error) {
	refused := invalidRequest("id_token_hint must be an ID token of this provider")
	signed, err := jose.ParseSignedCompact(token, signingAlgorithms)
	if err != nil || signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType] != "JWT" {
		return claims{}, refused
	}
	var keys jose.JSONWebKeySet
	p.store.view(func(s *state) { keys = s.keys.public(p.now().Unix()) })
	payload, err := signed.Verify(keys)
	var c claims
	if err = errors.Join(err, json.Unmarshal(payload, &c)); err != nil || c.Issuer != p.issuer {
		return claims{}, refused
	}
	return c, nil
}
