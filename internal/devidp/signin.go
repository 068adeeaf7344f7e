package devidp

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxDevice limits the name of a device, in bytes.
const maxDevice = 64

// signIn reads the page's form. The authorization request is in the query, so
// the provider stores nothing for requests that are never completed. A sign-in
// answers the request at once, and thereby satisfies prompt=login and
// max_age=0. A redirect back to the authorization endpoint would ask for ever.
func (p *Provider) signIn(w http.ResponseWriter, r *http.Request) {
	request, ok := p.readAuthorization(w, r, r.URL.Query())
	if !ok {
		return
	}
	device := strings.TrimSpace(r.PostForm.Get("device"))
	user, withCode, ok := p.authenticate(r.PostForm)
	switch {
	case !ok:
		p.showSignIn(w, http.StatusForbidden, request, "The user name, the password or the one-time code is wrong.")
		return
	case !validDevice(device):
		p.showSignIn(w, http.StatusForbidden, request, "The device name is too long or not printable.")
		return
	}
	a := authentication{Subject: user.Subject, Device: device, AuthTime: p.now().Unix(), AMR: methods(withCode)}
	if _, reached := a.acr(request.acrValues); !reached {
		p.showSignIn(w, http.StatusForbidden, request, "This needs a one-time code as well.")
		return
	}
	a, err := p.beginSession(w, r, a)
	if err != nil {
		p.showError(w, http.StatusInternalServerError, err)
		return
	}
	p.grantCode(w, r, request, a)
}

// authenticate checks user, password and code. A code that was given must be
// right, even if none is needed.
func (p *Provider) authenticate(form url.Values) (user User, withCode, ok bool) {
	user, known := p.directory.users[form.Get("user")]
	right := sameSecret(form.Get("password"), user.Password)
	typed := strings.TrimSpace(form.Get("code"))
	rightCode := sameSecret(typed, user.Code)
	return user, rightCode, known && right && (rightCode || typed == "")
}

func validDevice(name string) bool {
	return len(name) <= maxDevice && utf8.ValidString(name) &&
		strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// cookieName returns a name for each port, because browsers send cookies to all
// ports of an address.
func (p *Provider) cookieName() string {
	return "devidp_" + p.host[strings.LastIndexByte(p.host, ':')+1:]
}

// session returns the browser's session, if its user is still configured.
func (p *Provider) session(r *http.Request) (found session, ok bool) {
	cookie, err := r.Cookie(p.cookieName())
	if err != nil {
		return session{}, false
	}
	p.store.view(func(s *state) { found, ok = s.sessions.get(digest(cookie.Value)) })
	_, known := p.directory.users[found.Authentication.Subject]
	return found, ok && known && p.now().Unix() < found.Expires
}

// beginSession makes the browser's session, with a new cookie so that an
// attacker can't set it in advance. The same user keeps the sid, and keeps the
// device if the request names none.
func (p *Provider) beginSession(w http.ResponseWriter, r *http.Request, a authentication) (authentication, error) {
	earlier, known := p.session(r)
	a.SID = newSecret()
	if known && earlier.Authentication.Subject == a.Subject {
		a.SID = earlier.Authentication.SID
		if a.Device == "" {
			a.Device = earlier.Authentication.Device
		}
	}
	cookie := newSecret()
	err := p.store.update(func(s *state) error {
		s.sessions.remove(earlier.Cookie)
		s.sessions.put(session{Authentication: a, Cookie: digest(cookie), Expires: p.now().Add(sessionLifetime).Unix()})
		return nil
	})
	if err != nil {
		return authentication{}, err
	}
	http.SetCookie(w, &http.Cookie{
		Name: p.cookieName(), Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		MaxAge: int(sessionLifetime / time.Second),
	})
	return a, nil
}
