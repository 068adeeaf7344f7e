package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// overtakenWait is how long a callback waits for the session of another tab.
const overtakenWait = 3 * time.Second

// maxWaiting bounds the callbacks that wait for another tab: strangers can have
// callbacks wait.
const maxWaiting = 512

// maxAgain is how long a second try may have to wait.
const maxAgain = 30 * time.Second

// arrival is one callback and what is known of it.
type arrival struct {
	visitor
	query   url.Values
	state   *state
	attempt attempt
	session *Session // that the browser has; may be one of another sign-in
	turn    *turn

	device    string
	setDevice bool // this host keeps it
}

// parameters are those of a query in which none occurs twice.
func parameters(r *http.Request) (url.Values, bool) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, false
	}
	for _, values := range q {
		if len(values) != 1 {
			return nil, false
		}
	}
	return q, true
}

// callback is the redirect URI.
func (s *SignIn) callback(w http.ResponseWriter, r *http.Request, v *visitor) {
	q, ok := parameters(r)
	if !ok {
		s.startAgain(w, r, "/")
		return
	}
	if s.config.Callback != nil {
		s.relay(w, r, v, q)
		return
	}
	st, ok := s.stateFor(v, q)
	if !ok {
		s.startAgain(w, r, "/")
		return
	}
	device, kept := s.device(r, v)
	s.arrive(w, r, &arrival{visitor: *v, query: q, state: st, device: device, setDevice: !kept})
}

// relay sends what the provider has answered on to the host that began. All that
// this host keeps is the device, which is the same for all hosts.
func (s *SignIn) relay(w http.ResponseWriter, r *http.Request, v *visitor, q url.Values) {
	sealed := q.Get("state")
	st, err := s.openState(sealed, v.now)
	if err != nil {
		s.startAgain(w, r, "/")
		return
	}
	origin, ok := s.originOf(st.Host)
	if !ok {
		s.startAgain(w, r, "/")
		return
	}
	device, kept := s.device(r, v)
	if !kept {
		s.setDevice(w.Header(), v, device)
	}
	on := make(url.Values)
	for _, name := range []string{"code", "state", "iss", "error"} {
		if q.Has(name) {
			on.Set(name, q.Get(name))
		}
	}
	handed, err := s.all.keys.at(v.now).Seal(forFinish, []byte(device), bind(sealed, st.Host))
	if err != nil {
		s.failed(w, r, st, err)
		return
	}
	on.Set("device", handed)
	redirect(w, origin+Prefix+"finish?"+on.Encode())
}

// finish is where [SignIn.relay] sends browsers.
func (s *SignIn) finish(w http.ResponseWriter, r *http.Request, v *visitor, q url.Values) {
	st, ok := s.stateFor(v, q)
	if !ok {
		s.startAgain(w, r, "/")
		return
	}
	device, err := s.all.keys.at(v.now).Open(forFinish, q.Get("device"), bind(q.Get("state"), v.host))
	if err != nil {
		s.startAgain(w, r, st.Return)
		return
	}
	s.arrive(w, r, &arrival{visitor: *v, query: q, state: st, device: string(device)})
}

// stateFor opens the state of an attempt that began at this host.
func (s *SignIn) stateFor(v *visitor, q url.Values) (*state, bool) {
	st, err := s.openState(q.Get("state"), v.now)
	if err != nil || st.Host != v.host || st.Secure != v.secure {
		return nil, false
	}
	_, ok := s.originOf(v.host)
	return st, ok
}

// arrive has the attempts of one browser take turns.
func (s *SignIn) arrive(w http.ResponseWriter, r *http.Request, c *arrival) {
	var ok bool
	if c.attempt, ok = attemptOf(r.Header, c.cookies.Attempt); !ok {
		s.startAgain(w, r, c.state.Return)
		return
	}
	c.session, _ = s.all.session(r, &c.visitor)
	digest := c.attempt.digest()
	c.turn = s.all.turns.take(digest+" "+s.config.Name+" "+c.host, c.now)
	if subtle.ConstantTimeCompare([]byte(digest), []byte(c.state.Attempt)) != 1 {
		s.overtaken(w, r, c)
		return
	}
	if err := c.turn.lock(r.Context()); err != nil {
		return // the browser has gone
	}
	again := s.judgeArrival(w, r, c)
	c.turn.unlock()
	if again != nil {
		s.tryAgain(w, r, c, again)
	}
}

// overtaken answers a callback that is not of the browser's present key: a tab that
// began at the same moment has replaced it, or it is another browser's. Nothing is
// redeemed. If another tab of this browser has a session, or soon gets one, that is
// what this tab needs.
func (s *SignIn) overtaken(w http.ResponseWriter, r *http.Request, c *arrival) {
	if s.good(c.session, c) {
		s.keep(w, c, nil)
		return
	}
	if s.all.waiting.Add(1) <= maxWaiting {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			_ = s.all.deps.Wait(ctx, overtakenWait)
			cancel()
		}()
		c.turn.await(ctx)
		c.now = s.all.deps.Now()
	}
	s.all.waiting.Add(-1)
	if made := c.turn.session(time.UnixMilli(c.state.Begun)); s.good(made, c) {
		s.keep(w, c, made)
		return
	}
	// Tabs that began without a cookie each got a key, and the browser may have kept
	// another one since this request left. By now it may have a session.
	w.Header().Set("Refresh", "1; url="+c.state.Return)
	s.startAgain(w, r, c.state.Return)
}

// good reports whether a session is one of this sign-in that meets the demand of
// an attempt.
func (s *SignIn) good(session *Session, c *arrival) bool {
	return session != nil && session.signIn == s && session.host == c.host && !session.over(c.now) &&
		s.judge(&session.Credential, c.state, c.now).verdict == met
}

// keep sends a browser back with the session that it has. One that another tab has
// got is set again, since this tab's request did not carry it.
func (s *SignIn) keep(w http.ResponseWriter, c *arrival, made *Session) {
	if made != nil {
		made.Renew(w.Header(), c.secure, c.now)
	}
	s.done("kept")
	redirect(w, c.state.Return)
}

// judgeArrival does everything that the callback has to judge before there is a
// session. It returns a judgement where the provider is to be asked again, and has
// answered otherwise.
func (s *SignIn) judgeArrival(w http.ResponseWriter, r *http.Request, c *arrival) (again *judged) {
	e, err := s.provider.endpoints(r.Context(), c.now)
	if err != nil {
		s.failed(w, r, c.state, err)
		return nil
	}
	// RFC 9207, 2.4: before anything else in the answer is looked at.
	if iss, has := c.query.Get("iss"), c.query.Has("iss"); has && iss != s.config.Issuer.URL || !has && e.sendsIssuer {
		s.startAgain(w, r, c.state.Return)
		return nil
	}
	repeated := c.turn.use(c.state.ID)
	if code := c.query.Get("error"); code != "" {
		s.denied(w, r, c.state, code)
		return nil
	}
	if repeated || c.query.Get("code") == "" {
		if repeated && s.good(c.session, c) {
			s.keep(w, c, nil)
			return nil
		}
		s.startAgain(w, r, c.state.Return)
		return nil
	}
	f, err := s.redeem(r.Context(), e, c)
	switch {
	case errors.Is(err, errGrant) && s.good(c.session, c):
		s.keep(w, c, nil) // another node has redeemed it
		return nil
	case errors.Is(err, errNonce):
		s.log().Warn("the ID token is for another attempt: its nonce is another one", "sign_in", s.config.Name)
		s.startAgain(w, r, c.state.Return)
		return nil
	case err != nil:
		s.failed(w, r, c.state, err)
		return nil
	}
	return s.judgeFacts(w, r, c, f)
}

// judgeFacts judges what the provider has told.
func (s *SignIn) judgeFacts(w http.ResponseWriter, r *http.Request, c *arrival, f *facts) (again *judged) {
	credential := f.credential()
	same := func(o *Session) bool { return s.good(o, c) && o.Credential.Subject == f.Subject }
	if same(c.session) {
		s.keep(w, c, nil)
		return nil
	}
	if made := c.turn.session(time.UnixMilli(c.state.Begun)); same(made) {
		s.keep(w, c, made)
		return nil
	}
	switch j := s.judge(&credential, c.state, c.now); {
	case j.verdict == met:
		s.establish(w, r, c, f, &credential)
		return nil
	case j.verdict == blocked:
		s.done("blocked")
		s.page(w, r, &Page{Kind: PageBlocked, Status: http.StatusForbidden, Name: f.person(), Link: s.link(c.state.Return, "select_account")})
		return nil
	case j.verdict == unmet && !c.state.Again:
		return &j
	default:
		s.stepUpUnmet(w, r, c.state, f, &j.decision)
		return nil
	}
}

func (s *SignIn) stepUpUnmet(w http.ResponseWriter, r *http.Request, st *state, f *facts, d *policy.Decision) {
	mend := ""
	if f.AuthTime == 0 && !s.config.AllowNoAuthTime {
		mend = "the ID token has no auth_time: have the provider send it, or set allow_no_auth_time"
	}
	s.log().Warn("a sign-in did not bring what was asked for", "sign_in", s.config.Name, "reason", d.Reason.String(), "mend", mend)
	s.done("step-up-unmet")
	s.page(w, r, &Page{Kind: PageStepUpUnmet, Status: http.StatusForbidden, Name: f.person(), Link: s.link(st.Return, "select_account")})
}

// tryAgain sends a browser to the provider once more, when a sign-in can pass.
func (s *SignIn) tryAgain(w http.ResponseWriter, r *http.Request, c *arrival, refused *judged) {
	if d := time.Unix(refused.after, 0).Sub(c.now); d > 0 {
		if d > maxAgain {
			w.Header().Set("Retry-After", strconv.FormatInt(int64(d/time.Second)+1, 10))
			s.page(w, r, &Page{Kind: PageNotReady, Status: http.StatusServiceUnavailable, Link: s.link(c.state.Return, "")})
			return
		}
		if err := s.all.deps.Wait(r.Context(), d); err != nil {
			return // the browser has gone
		}
		c.now = s.all.deps.Now()
	}
	st := *c.state
	st.ID, st.Nonce, st.Begun, st.Again = newSecret(16), newSecret(16), c.now.UnixMilli(), true
	ask := s.askAgain(&st, &refused.decision)
	if ask.maxAge != nil {
		st.MaxAge = ask.maxAge
	}
	s.done("again")
	s.send(w, r, &c.visitor, &c.attempt, &st, ask)
}

// establish cuts the session that the browser had, and sets the new one.
func (s *SignIn) establish(w http.ResponseWriter, r *http.Request, c *arrival, f *facts, credential *revocation.Credential) {
	value, err := s.seal(f, c.host, c.now)
	if err != nil {
		s.failed(w, r, c.state, err)
		return
	}
	if size := len(c.cookies.Session) + 1 + len(value); size > maxCookie {
		s.tooLarge(w, r, f, size)
		return
	}
	if err := s.replace(r.Context(), c); err != nil {
		s.notDurable(w, r, c.state.Return, err)
		return
	}
	if s.all.deps.Verified != nil {
		s.all.deps.Verified(credential)
	}
	if c.session != nil {
		c.attempt.completed = nil // its session came back
	}
	c.attempt.complete(c.now)
	h := w.Header()
	s.setSession(h, c.cookies.Session, value, f, c.now)
	c.attempt.set(h, c.cookies.Attempt)
	if c.setDevice {
		s.setDevice(h, &c.visitor, c.device)
	}
	if made, _, _ := s.all.Open(value, c.host, c.now); made != nil {
		c.turn.make(made, c.now)
	}
	s.done("ok")
	redirect(w, c.state.Return)
}

// replace cuts the sessions that a new one replaces, for good: a copy of an old
// cookie is worth nothing any more.
func (s *SignIn) replace(ctx context.Context, c *arrival) error {
	old := []*Session{c.session}
	if made := c.turn.latest(); made != nil && !made.over(c.now) && (c.session == nil || made.facts.ID != c.session.facts.ID) {
		old = append(old, made)
	}
	for _, o := range old {
		if o == nil {
			continue
		}
		if d := o.signIn.decide(&o.Credential, c.now); lasting(&d) {
			continue
		}
		if err := s.all.deps.Submit(ctx, &revocation.Draft{
			Author: author(o, "replaced by a new sign-in"), Type: revocation.Cut, Mode: revocation.Final,
			Target: revocation.Target{Issuer: o.Credential.Issuer, TokenID: o.Credential.TokenID},
		}); err != nil {
			return err
		}
	}
	return nil
}

// Source is the source of the cuts that a browser's person orders.
const Source = "sign_in"

func author(s *Session, reason string) revocation.Author {
	return revocation.Author{Source: Source, Actor: s.signIn.config.Name, Reason: reason}
}

// decide judges a credential by the index alone.
func (s *SignIn) decide(c *revocation.Credential, now time.Time) policy.Decision {
	p := policy.Case{Credential: c, Issuer: s.config.Issuer, Requirements: new(policy.Requirements), Now: now.Unix()}
	s.all.deps.Find(c, &p.Finding)
	return p.Decide()
}

// startAgain is the page for a callback that fits no attempt.
func (s *SignIn) startAgain(w http.ResponseWriter, r *http.Request, to string) {
	s.done("start-again")
	s.page(w, r, &Page{Kind: PageStartAgain, Status: http.StatusBadRequest, Link: s.link(to, "")})
}

// denied is for an error that the provider sent (RFC 6749, 4.1.2.1). The session that
// the browser has stays.
func (s *SignIn) denied(w http.ResponseWriter, r *http.Request, st *state, code string) {
	code = errorCode(code)
	s.log().Warn("the provider did not sign somebody in", "sign_in", s.config.Name, "error", code)
	p := &Page{Kind: PageDenied, Status: http.StatusForbidden, Link: s.link(st.Return, "")}
	switch code {
	case "server_error", "temporarily_unavailable":
		p.Kind, p.Status = PageProvider, http.StatusBadGateway
	case "unmet_authentication_requirements", "login_required", "interaction_required":
		p.Kind, p.Link = PageStepUpUnmet, s.link(st.Return, "select_account")
	}
	s.done("denied")
	s.page(w, r, p)
}

// failed is for what neither the browser nor the person can mend.
func (s *SignIn) failed(w http.ResponseWriter, r *http.Request, st *state, err error) {
	if r.Context().Err() != nil {
		return // the browser has gone
	}
	level := slog.LevelError
	if errors.Is(err, errGrant) {
		level = slog.LevelWarn // a stranger can send a code of his own
	}
	s.log().Log(r.Context(), level, "a sign-in failed", "sign_in", s.config.Name, "error", err)
	p := &Page{Kind: PageProvider, Status: http.StatusBadGateway, Link: s.link(st.Return, "")}
	var bad *token.Error
	if errors.As(err, &bad) && bad.Kind == token.NotReady || bad == nil && !errors.Is(err, errProvider) {
		p.Kind, p.Status = PageNotReady, http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	s.done("failed")
	s.page(w, r, p)
}

func (s *SignIn) notDurable(w http.ResponseWriter, r *http.Request, to string, err error) {
	s.log().Error("a session could not be cut durably, so nothing was changed", "sign_in", s.config.Name, "error", err)
	w.Header().Set("Retry-After", "1")
	s.done("not-durable")
	s.page(w, r, &Page{Kind: PageNotDurable, Status: http.StatusServiceUnavailable, Link: s.link(to, "")})
}

// tooLarge says which claims fill the cookie, in the log and not on the page.
func (s *SignIn) tooLarge(w http.ResponseWriter, r *http.Request, f *facts, size int) {
	args := []any{"sign_in", s.config.Name, "bytes", size, "limit", maxCookie}
	for _, c := range f.Claims {
		args = append(args, "claim "+c.Name, len(c.Value))
	}
	s.log().Error("a session does not fit into a cookie: have the provider send less, or ask for single values of its claims", args...)
	s.done("too-large")
	s.page(w, r, &Page{Kind: PageTooLarge, Status: http.StatusBadGateway})
}

// done counts how an attempt went.
func (s *SignIn) done(result string) { s.all.deps.Observer.SignedIn(s.config.Name, result) }

// Results lists what [Observer.SignedIn] is told, so that metrics can be
// pre-initialised.
var Results = []string{
	"ok", "kept", "again", "start-again", "denied", "failed", "step-up-unmet", "blocked", "not-durable", "too-large", "loop",
}

func (s *SignIn) page(w http.ResponseWriter, r *http.Request, p *Page) {
	p.SignIn = s.Title()
	s.all.deps.Pages.Write(w, r, p)
}
