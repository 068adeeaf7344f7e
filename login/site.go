package login

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"curfew.dev/curfew/internal/authorization"
)

// Prefix is the beginning of every path that a [Site] serves.
const Prefix = "/.curfew/"

// Serves reports whether the path of a request, as it was sent, is under
// [Prefix]. It is compared byte for byte.
func Serves(r *http.Request) bool { return strings.HasPrefix(r.URL.EscapedPath(), Prefix) }

// Site serves what is under /.curfew/ on the hosts of one site.
type Site struct {
	all     *SignIns
	signIns []*SignIn
	routes  map[string]route
}

// route is what a path serves, by method.
type route map[string]func(http.ResponseWriter, *http.Request, *visitor)

// NewSite returns the handler of a site that has these sign-ins, of which there
// must be one.
func (all *SignIns) NewSite(signIns ...*SignIn) *Site {
	s := &Site{all: all, signIns: signIns}
	s.routes = map[string]route{
		"sign-in":    {http.MethodGet: s.signIn},
		"finish":     {http.MethodGet: s.finish},
		"session":    {http.MethodGet: s.session},
		"sign-out":   {http.MethodGet: s.askSignOut, http.MethodPost: s.signOut},
		"signed-out": {http.MethodGet: s.signedOut},
	}
	for _, signIn := range signIns {
		s.routes["callback/"+signIn.Name()] = route{http.MethodGet: func(w http.ResponseWriter, r *http.Request, v *visitor) {
			if signIn.config.Callback != nil && !signIn.isCallbackHost(v.host) {
				s.unknown(w, r)
				return
			}
			signIn.callback(w, r, v)
		}}
	}
	return s
}

// Handle has another handler serve a method of a path under [Prefix], such as
// style.css. It does so only for requests that a page could be served for: those
// from other origins and early ones are refused. style.css and logo are served
// always, and backchannel-logout to anybody. Call it before requests come.
func (s *Site) Handle(method, path string, h http.Handler) {
	if s.routes[path] == nil {
		s.routes[path] = make(route)
	}
	s.routes[path][method] = func(w http.ResponseWriter, r *http.Request, _ *visitor) { h.ServeHTTP(w, r) }
}

// always are the paths that don't depend on the node's state: pages need them to
// look like pages.
var always = []string{"style.css", "logo"}

// ServeHTTP answers every request; those that [Serves] does not report are not
// found.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), Prefix)
	methods := s.routes[path]
	if !ok || methods == nil {
		s.unknown(w, r)
		return
	}
	h := w.Header()
	serve := methods[r.Method]
	if serve == nil {
		var allowed []string
		for m := range methods {
			allowed = append(allowed, m)
		}
		slices.Sort(allowed)
		h.Set("Allow", strings.Join(allowed, ", "))
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	v, err := s.all.visitor(r)
	switch {
	case slices.Contains(always, path):
	case early(r):
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusTooEarly)
		return
	case err != nil:
		s.page(w, r, &Page{Kind: PageInsecure, Status: http.StatusBadRequest})
		return
	case !s.all.deps.Ready(v.now):
		h.Set("Retry-After", "1")
		s.page(w, r, &Page{Kind: PageNotReady, Status: http.StatusServiceUnavailable})
		return
	case r.Method == http.MethodPost && path != "backchannel-logout" && !SameOrigin(r, v.secure):
		s.page(w, r, &Page{Kind: PageCrossSite, Status: http.StatusForbidden})
		return
	}
	serve(w, r, &v)
}

func (s *Site) page(w http.ResponseWriter, r *http.Request, p *Page) {
	s.all.deps.Pages.Write(w, r, p)
}

func (s *Site) unknown(w http.ResponseWriter, r *http.Request) {
	s.page(w, r, &Page{Kind: PageUnknown, Status: http.StatusNotFound})
}

// own returns the session of a request, if a sign-in of this site has made it.
func (s *Site) own(w http.ResponseWriter, r *http.Request, v *visitor) *Session {
	session, problem := s.all.session(r, v)
	if problem.Deletes() {
		Delete(w.Header(), v.cookies.Session)
	}
	if session == nil || !slices.Contains(s.signIns, session.signIn) {
		return nil
	}
	return session
}

// maxValues bounds the acr_values of one request.
const maxValues = 10

// wish is what the query of a sign-in asks for.
type wish struct {
	name   string
	demand Demand
}

func readWish(r *http.Request) (wish, bool) {
	q, ok := parameters(r)
	if !ok {
		return wish{}, false
	}
	d := Demand{Prompt: q.Get("prompt")}
	if !slices.Contains([]string{"", "login", "select_account"}, d.Prompt) {
		return wish{}, false
	}
	if values := strings.Fields(q.Get("acr_values")); len(values) > 0 {
		if len(values) > maxValues || slices.ContainsFunc(values, func(v string) bool { return len(v) > 255 || !authorization.ChallengeToken(v) }) {
			return wish{}, false
		}
		d.ACR = [][]string{values}
	}
	if q.Has("max_age") {
		seconds, err := strconv.ParseUint(q.Get("max_age"), 10, 31)
		if err != nil {
			return wish{}, false
		}
		age := time.Duration(seconds) * time.Second
		d.MaxAge = &age
	}
	d.Return = returnPath(q.Get("return"))
	return wish{q.Get("name"), d}, true
}

// signIn begins a sign-in that a link or a script asks for. It can only ask for
// more than a guard would.
func (s *Site) signIn(w http.ResponseWriter, r *http.Request, v *visitor) {
	wanted, ok := readWish(r)
	if !ok {
		s.page(w, r, &Page{Kind: PageStartAgain, Status: http.StatusBadRequest, Link: SignInPath})
		return
	}
	session := s.own(w, r, v)
	of := s.chosen(wanted.name, session, wanted.demand.Prompt)
	if of == nil && wanted.name != "" {
		s.unknown(w, r)
		return
	}
	d := &wanted.demand
	if session != nil {
		decision := session.signIn.decide(&session.Credential, v.now)
		good := decision.Admits()
		switch {
		case good && fromElsewhere(r, v.secure):
			s.page(w, r, &Page{
				Kind: PageContinue, Status: http.StatusOK, Name: session.Person(), SignIn: session.signIn.Title(),
				Link: r.URL.EscapedPath() + "?" + r.URL.Query().Encode(),
			})
			return
		case good && of == session.signIn && d.Prompt == "" && s.meets(session, d, v):
			redirect(w, d.Return)
			return
		case good && of == session.signIn && d.Prompt != "select_account":
			d.Of = session
		}
	}
	if of == nil {
		s.choose(w, r)
		return
	}
	of.begin(w, r, *d)
}

func (s *Site) meets(session *Session, d *Demand, v *visitor) bool {
	return session.signIn.judge(&session.Credential, session.signIn.newState(v, d), v.now).verdict == met
}

// chosen is the sign-in that a request is for: the one that it names, the one that
// the browser has used, or the only one. Nil: the person has to choose.
func (s *Site) chosen(name string, session *Session, prompt string) *SignIn {
	for _, of := range s.signIns {
		if of.Name() == name {
			return of
		}
	}
	switch {
	case name != "":
		return nil
	case session != nil && prompt != "select_account":
		return session.signIn
	case len(s.signIns) == 1:
		return s.signIns[0]
	}
	return nil
}

// choose has a person choose a sign-in. The choice keeps what was asked for.
func (s *Site) choose(w http.ResponseWriter, r *http.Request) {
	p := &Page{Kind: PageChoose, Status: http.StatusOK}
	for _, of := range s.signIns {
		q := r.URL.Query()
		q.Set("name", of.Name())
		p.Choices = append(p.Choices, Choice{of.Title(), SignInPath + "?" + q.Encode()})
	}
	s.page(w, r, p)
}

// finish takes what a callback on another host has sent on.
func (s *Site) finish(w http.ResponseWriter, r *http.Request, v *visitor) {
	q, ok := parameters(r)
	for _, of := range s.signIns {
		if !ok || of.config.Callback == nil {
			continue
		}
		if _, err := of.openState(q.Get("state"), v.now); err == nil {
			of.finish(w, r, v, q)
			return
		}
	}
	s.signIns[0].startAgain(w, r, "/")
}

// Begin is [SignIn.Begin] for a guard that takes the sessions of several sign-ins:
// a navigation is sent to the provider of the only one, or to the page on which
// the person chooses.
func (s *Site) Begin(w http.ResponseWriter, r *http.Request, d Demand, signIns ...*SignIn) bool {
	if len(signIns) == 1 || d.Of != nil {
		of := signIns[0]
		if d.Of != nil {
			of = d.Of.signIn
		}
		return of.Begin(w, r, d)
	}
	switch beginning(r) {
	case noBeginning:
		return false
	case nothingSent:
		s.page(w, r, &Page{Kind: PageNothingSent, Status: http.StatusUnauthorized, Link: linkTo("", refererPath(r), "")})
		return true
	}
	to := d.Return
	if to == "" {
		to = r.URL.RequestURI()
	}
	path := d.Path()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	redirect(w, path+separator+url.Values{"return": {returnPath(to)}}.Encode())
	return true
}

// answer is what GET /session tells.
type answer struct {
	Authenticated bool   `json:"authenticated"`
	Issuer        string `json:"issuer,omitempty"`
	Subject       string `json:"subject,omitempty"`
	Name          string `json:"name,omitempty"`
	ClientID      string `json:"client_id,omitempty"`
	SignIn        string `json:"sign_in,omitempty"`
	AuthTime      int64  `json:"auth_time,omitempty"`
	ACR           string `json:"acr,omitempty"`
	ExpiresAt     int64  `json:"expires_at,omitempty"`
}

// session tells a page of this origin who is signed in. It is no use of the
// session.
func (s *Site) session(w http.ResponseWriter, r *http.Request, v *visitor) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if fromElsewhere(r, v.secure) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var a answer
	if session := s.own(w, r, v); session != nil {
		c := &session.Credential
		if d := session.signIn.decide(c, v.now); d.Admits() {
			a = answer{true, c.Issuer, c.Subject, session.Name(), c.Client, session.signIn.Name(), c.AuthTime, c.ACR, c.ExpiresAt}
		}
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(a) // the client may have gone away
}
