package login

import (
	"cmp"
	"net/http"

	"curfew.dev/curfew/revocation"
)

// maxForm bounds the form of a sign-out, in bytes.
const maxForm = 16 << 10

// askSignOut asks before a sign-out. A GET changes nothing.
func (s *Site) askSignOut(w http.ResponseWriter, r *http.Request, v *visitor) {
	session := s.own(w, r, v)
	if session == nil {
		redirect(w, Prefix+"signed-out")
		return
	}
	to := ""
	if q, ok := parameters(r); ok {
		to = returnPath(q.Get("return"))
	}
	p := &Page{
		Kind: PageSignOut, Status: http.StatusOK, SignIn: session.signIn.Title(), Name: session.Person(),
		Form: &Form{Action: Prefix + "sign-out", Away: !isReturnPath(cmp.Or(session.signIn.config.SignedOutURL, "/"))},
		Link: cmp.Or(to, "/"),
	}
	if to != "" {
		p.Form.Fields = []Param{{"return", to}}
	}
	s.page(w, r, p)
}

// signOut signs this browser out: of all hosts of the sign-in or, with scope=host,
// of this one. The cookie goes when the cut is durable, not before.
func (s *Site) signOut(w http.ResponseWriter, r *http.Request, v *visitor) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.page(w, r, &Page{Kind: PageStartAgain, Status: http.StatusBadRequest, Link: Prefix + "sign-out"})
		return
	}
	to := returnPath(r.PostForm.Get("return"))
	session := s.own(w, r, v)
	of := s.signIns[0]
	if session != nil {
		of = session.signIn
		d := of.decide(&session.Credential, v.now)
		if !lasting(&d) {
			if err := s.all.deps.Submit(r.Context(), cutOf(session, r.PostForm.Get("scope") == "host")); err != nil {
				of.notDurable(w, r, to, err)
				return
			}
		}
		Delete(w.Header(), v.cookies.Session)
	}
	// Its session has come back.
	if a, ok := attemptOf(r.Header, v.cookies.Attempt); ok && len(a.completed) > 0 {
		a.completed = nil
		a.set(w.Header(), v.cookies.Attempt)
	}
	form := of.tellProvider(r, v)
	if session == nil {
		form = nil
	}
	s.showSignedOut(w, r, of, form, to)
}

// cutOf is the cut of a browser or, for one host, of a session.
func cutOf(s *Session, host bool) *revocation.Draft {
	c := &s.Credential
	d := &revocation.Draft{Author: author(s, "signed out in the browser"), Type: revocation.Cut}
	if host {
		d.Target, d.Mode = revocation.Target{Issuer: c.Issuer, TokenID: c.TokenID}, revocation.Final
		return d
	}
	d.Target = revocation.Target{Issuer: c.Issuer, Subject: c.Subject, Device: c.Device, Client: c.Client}
	return d
}

// tellProvider is the form by which the browser tells the provider that somebody
// has signed out (OpenID Connect RP-Initiated Logout, 2), or nil. The ID token is
// not kept, so the provider asks the person.
func (s *SignIn) tellProvider(r *http.Request, v *visitor) *Form {
	if s.config.LocalSignOut {
		return nil
	}
	e, err := s.provider.endpoints(r.Context(), v.now)
	if err != nil || e.endSession == "" {
		return nil
	}
	origin, ok := s.originOf(v.host)
	if c := s.config.Callback; c != nil {
		origin = c.Origin
	}
	f := &Form{Action: e.endSession, Away: true, Fields: []Param{{"client_id", s.config.ClientID}}}
	if ok {
		f.Fields = append(f.Fields, Param{"post_logout_redirect_uri", origin + Prefix + "signed-out"})
	}
	return f
}

// showSignedOut is the end of a sign-out.
func (s *Site) showSignedOut(w http.ResponseWriter, r *http.Request, of *SignIn, form *Form, to string) {
	if form == nil && of.config.SignedOutURL != "" {
		redirect(w, of.config.SignedOutURL)
		return
	}
	s.page(w, r, &Page{Kind: PageSignedOut, Status: http.StatusOK, SignIn: of.Title(), Form: form, Link: linkTo("", to, "")})
}

// signedOut is where the provider sends a browser back to.
func (s *Site) signedOut(w http.ResponseWriter, r *http.Request, _ *visitor) {
	for _, of := range s.signIns {
		if of.config.SignedOutURL != "" {
			redirect(w, of.config.SignedOutURL)
			return
		}
	}
	s.page(w, r, &Page{Kind: PageSignedOut, Status: http.StatusOK, Link: SignInPath})
}
