package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"curfew.dev/curfew/policy"
)

// Begin answers a request whose credential the guards refuse with a 401, if it
// is a navigation of a browser's window: a GET is sent to the provider (303),
// and any other method gets a page that says that nothing was sent. It returns
// false, and has written nothing, for every other request; the answer to that
// has [Demand.Path] in its problem.
func (s *SignIn) Begin(w http.ResponseWriter, r *http.Request, d Demand) bool {
	switch beginning(r) {
	case noBeginning:
		return false
	case nothingSent:
		s.page(w, r, &Page{Kind: PageNothingSent, Status: http.StatusUnauthorized, Link: s.link(refererPath(r), "")})
	default:
		s.begin(w, r, d)
	}
	return true
}

// start is how a request without a good session may begin a sign-in.
type start uint8

const (
	noBeginning start = iota
	nothingSent       // its form is lost unless the person keeps it
	atProvider
)

func beginning(r *http.Request) start {
	switch {
	case !IsNavigation(r):
		return noBeginning
	case r.Method == http.MethodGet:
		return atProvider
	case r.Method == http.MethodHead || r.Method == http.MethodOptions || r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return noBeginning
	}
	return nothingSent
}

// refererPath is the path of the page that a request comes from, if that is of
// the same origin.
func refererPath(r *http.Request) string {
	u, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || !strings.EqualFold(u.Host, r.Host) {
		return "/"
	}
	return u.RequestURI()
}

// OtherAccount is the path at which a person signs in as somebody else, and comes
// back to a path.
func (s *SignIn) OtherAccount(to string) string { return s.link(to, "select_account") }

// link is the path at which this sign-in begins.
func (s *SignIn) link(to, prompt string) string { return linkTo(s.config.Name, to, prompt) }

// linkTo is the path at which a sign-in begins; no name: the person chooses, where
// there are several.
func linkTo(name, to, prompt string) string {
	q := make(url.Values)
	if name != "" {
		q.Set("name", name)
	}
	if to = returnPath(to); to != "/" {
		q.Set("return", to)
	}
	if prompt != "" {
		q.Set("prompt", prompt)
	}
	if len(q) == 0 {
		return SignInPath
	}
	return SignInPath + "?" + q.Encode()
}

// begin sends a browser to the provider.
func (s *SignIn) begin(w http.ResponseWriter, r *http.Request, d Demand) {
	v, err := s.all.visitor(r)
	if err != nil {
		s.page(w, r, &Page{Kind: PageInsecure, Status: http.StatusBadRequest})
		return
	}
	if _, ok := s.originOf(v.host); !ok {
		s.page(w, r, &Page{Kind: PageUnknown, Status: http.StatusBadRequest})
		return
	}
	if d.Return == "" {
		d.Return = r.URL.RequestURI()
	}
	session, problem := s.all.session(r, &v)
	if problem.Deletes() {
		Delete(w.Header(), v.cookies.Session)
	}
	a, ok := attemptOf(r.Header, v.cookies.Attempt)
	switch {
	case !ok:
		a = attempt{key: newSecret(keyBytes)}
	case session != nil:
		a.completed = nil
	case len(a.recent(v.now)) >= loops:
		s.done("loop")
		a.completed = nil // the next try is a new one
		a.set(w.Header(), v.cookies.Attempt)
		s.page(w, r, &Page{Kind: PageLoop, Status: http.StatusBadRequest, Link: s.link(d.Return, "")})
		return
	}
	s.send(w, r, &v, &a, s.newState(&v, &d), s.ask(&d))
}

func (s *SignIn) newState(v *visitor, d *Demand) *state {
	st := &state{
		ID: newSecret(16), Nonce: newSecret(16), Host: v.host, Secure: v.secure, Return: returnPath(d.Return), Begun: v.now.UnixMilli(),
		ACR: d.ACR, AMR: d.AMR, Sensitive: d.Sensitive, Fresh: d.MaxAge != nil,
	}
	if d.MaxAge != nil {
		age := int64(*d.MaxAge / time.Second)
		st.MaxAge = &age
	}
	if d.Prompt == "login" {
		st.MaxAge = new(int64)
	}
	if d.Of != nil {
		st.Subject = subjectDigest(d.Of.Credential.Issuer, d.Of.Credential.Subject)
	}
	return st
}

// asked is what the authorization request asks the provider for.
type asked struct {
	acrValues []string
	maxAge    *int64
	prompt    string
}

// ask asks for the smallest max_age that applies. A provider that does not tell
// when somebody signed in is not asked for it; some of them refuse prompt=login.
func (s *SignIn) ask(d *Demand) asked {
	a := asked{acrValues: d.acrValues(), prompt: d.Prompt}
	if s.config.AllowNoAuthTime && d.MaxAge == nil {
		return a
	}
	age := s.config.lifetime()
	if smallest := smaller(d.MaxAge, d.Ask); smallest != nil {
		age = min(age, *smallest)
	}
	if d.Prompt == "login" {
		age = 0
	}
	seconds := int64(age / time.Second)
	if a.maxAge = &seconds; seconds == 0 && a.prompt == "" {
		a.prompt = "login"
	}
	return a
}

// askAgain is what the second try asks for. A decision that a step-up refused names
// the values that satisfy it and the demand.
func (s *SignIn) askAgain(st *state, refused *policy.Decision) asked {
	d := Demand{ACR: st.ACR, ACRValues: refused.Challenge.ACRValues}
	if s.config.AllowNoAuthTime && !st.Fresh {
		return asked{acrValues: d.acrValues()}
	}
	return asked{acrValues: d.acrValues(), maxAge: new(int64), prompt: "login"}
}

// send answers with a redirect to the provider. It is a 303, so that no browser
// sends a form there (RFC 9700, 4.12).
func (s *SignIn) send(w http.ResponseWriter, r *http.Request, v *visitor, a *attempt, st *state, ask asked) {
	st.Attempt = a.digest()
	to, err := s.authorization(r.Context(), v, a, st, ask)
	if err != nil {
		s.failed(w, r, st, err)
		return
	}
	h := w.Header()
	a.set(h, v.cookies.Attempt)
	redirect(w, to)
}

// redirect answers with a 303.
func redirect(w http.ResponseWriter, to string) {
	h := w.Header()
	h.Set("Location", to)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(http.StatusSeeOther)
}

// authorization is the address of the authorization request.
func (s *SignIn) authorization(ctx context.Context, v *visitor, a *attempt, st *state, ask asked) (string, error) {
	e, err := s.provider.endpoints(ctx, v.now)
	if err != nil {
		return "", err
	}
	redirectURI, ok := s.redirectURI(v.host)
	if !ok {
		return "", errors.New("the host does not sign in here")
	}
	o, err := s.provider.oauth(e, redirectURI)
	if err != nil {
		return "", err
	}
	sealed, err := s.sealState(st, v.now)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(a.verifier(st.ID)),
		oauth2.SetAuthURLParam("nonce", st.Nonce),
	}
	set := func(name, value string) {
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	set("acr_values", strings.Join(ask.acrValues, " "))
	set("prompt", ask.prompt)
	if ask.maxAge != nil {
		set("max_age", strconv.FormatInt(*ask.maxAge, 10))
	}
	for _, p := range s.config.Params {
		set(p.Name, p.Value)
	}
	to := o.AuthCodeURL(sealed, options...)
	for _, resource := range s.config.Resources {
		to += "&resource=" + url.QueryEscape(resource)
	}
	if e.requiresPushed {
		return s.provider.push(ctx, e, o, to, v.now)
	}
	return to, nil
}
