package login

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/internal/pause"
	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
	"curfew.dev/curfew/token/tokentest"
)

const (
	providerURL = "https://login.example.com"
	skew        = 2 * time.Second
)

// world is a provider, a gateway with its sites, and their clock.
type world struct {
	t        testing.TB
	provider *fakeProvider
	issuers  revocation.Issuers
	issuer   *revocation.Issuer
	index    *revocation.Index
	keys     seal.Keys
	all      *SignIns
	sites    map[string]*guarded // by host
	log      *strings.Builder

	mu        sync.Mutex
	clock     time.Time
	sequence  uint64
	drafts    []revocation.Draft
	waited    time.Duration
	notReady  bool
	noLedger  bool
	waits     bool // for real
	results   []string
	upstreams int
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// option changes the sign_in of a world.
type option func(*Config)

func newWorld(t testing.TB, options ...option) *world {
	t.Helper()
	w := &world{t: t, clock: time.Now().Truncate(time.Second), sites: make(map[string]*guarded), log: new(strings.Builder)}
	w.issuer = &revocation.Issuer{
		URL: providerURL, ClockSkew: skew, Retention: 90 * 24 * time.Hour, MaxTokenLifetime: 28 * time.Hour, SessionLifetime: DefaultLifetime,
	}
	w.issuers = revocation.Issuers{providerURL: w.issuer}
	w.index, w.keys = new(revocation.Index), seal.Keys{seal.RandomKey()}
	w.provider = newFakeProvider(t, w.now)
	w.configure(options...)
	return w
}

// configure loads a configuration with the sign-ins staff and customers at two
// hosts, as a reload does.
func (w *world) configure(options ...option) {
	w.t.Helper()
	client := outbound.New(providerURL, outbound.Options{Transport: handlerTransport{w.provider}})
	staff := Config{Name: "staff", Issuer: w.issuer, Client: client, ClientID: "curfew-web", Scope: []string{"openid", "profile"}, Title: "Staff"}
	customers := staff
	customers.Name, customers.ClientID, customers.Title = "customers", "curfew-shop", ""
	for _, o := range options {
		o(&staff)
	}
	d := Deps{
		Keys: func() seal.Keys { return w.keys }, OpenToken: w.provider.verifier(w.t).Open, Find: w.index.Find,
		Ready:  func(time.Time) bool { w.mu.Lock(); defer w.mu.Unlock(); return !w.notReady },
		Submit: w.submit, Secure: func(r *http.Request) bool { return r.TLS != nil }, Pages: textPages{}, Now: w.now,
		Wait: func(ctx context.Context, d time.Duration) error {
			if w.waits {
				return pause.For(ctx, d)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.waited += d
			w.clock = w.clock.Add(d)
			return ctx.Err()
		},
		Observer: w, Log: logTo(w.log),
	}
	all, err := New(d, staff, customers)
	if err != nil {
		w.t.Fatal(err)
	}
	w.all = all
	s, c := all.Named("staff"), all.Named("customers")
	origins := []string{"https://app.example.com", "https://wiki.example.com", "http://localhost"}
	for _, origin := range origins {
		if err := s.AddOrigin(origin); err != nil && s.config.Callback == nil {
			w.t.Fatal(err)
		}
	}
	if err := c.AddOrigin("https://shop.example.com"); err != nil {
		w.t.Fatal(err)
	}
	if err := c.AddOrigin("https://app.example.com"); err != nil {
		w.t.Fatal(err)
	}
	w.sites["app.example.com"] = &guarded{w: w, site: all.NewSite(s, c), takes: []*SignIn{s}}
	w.sites["wiki.example.com"] = &guarded{w: w, site: all.NewSite(s), takes: []*SignIn{s}}
	w.sites["localhost"] = w.sites["wiki.example.com"]
	w.sites["shop.example.com"] = &guarded{w: w, site: all.NewSite(c), takes: []*SignIn{c}}
	w.sites["auth.example.com"] = &guarded{w: w, site: all.NewSite(s), takes: []*SignIn{s}}
}

func (w *world) submit(_ context.Context, d *revocation.Draft) error {
	if w.noLedger {
		return errors.New("the disk is full")
	}
	r, err := d.Record(w.issuers, &revocation.Observed{Now: w.now()})
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.sequence++
	at := revocation.Position{Epoch: 1, Sequence: w.sequence}
	w.drafts = append(w.drafts, *d)
	w.mu.Unlock()
	w.index.Apply(revocation.Entry{Position: at, Records: []revocation.Record{r}})
	return nil
}

func (w *world) cut(target revocation.Target) {
	w.t.Helper()
	if err := w.submit(w.t.Context(), &revocation.Draft{Type: revocation.Cut, Target: target}); err != nil {
		w.t.Fatal(err)
	}
}

// cuts is how many sessions were cut.
func (w *world) cuts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.drafts)
}

func (w *world) SignedIn(_, result string) {
	if !slices.Contains(Results, result) {
		w.t.Errorf("the result %s is not listed", result)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results = append(w.results, result)
}

func (w *world) Asked(_, endpoint, result string, _ time.Duration) {
	if !slices.Contains(Endpoints, endpoint) || result != "ok" && result != "error" {
		w.t.Errorf("%s %s is not listed", endpoint, result)
	}
}
func (*world) Cookie(Problem) {}

// guarded is a site whose every page needs a session, as a guard sees to it.
type guarded struct {
	w        *world
	site     *Site
	takes    []*SignIn
	required policy.Requirements
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if Serves(r) {
		g.site.ServeHTTP(w, r)
		return
	}
	now, secure := g.w.now(), r.TLS != nil
	names := CookiesOf(secure)
	cookie, two := Read(r.Header, names.Session)
	var session *Session
	if !two {
		var problem Problem
		session, _, problem = g.w.all.Open(cookie, HostOf(r), now)
		if problem.Deletes() {
			Delete(w.Header(), names.Session)
		}
	}
	if session != nil && !slices.Contains(g.takes, session.SignIn()) {
		session = nil
	}
	d := policy.Decision{Reason: policy.NoCredential}
	if session != nil {
		c := policy.Case{Credential: &session.Credential, Issuer: g.w.issuer, Requirements: &g.required, Now: now.Unix()}
		g.w.index.Find(&session.Credential, &c.Finding)
		d = c.Decide()
	}
	if d.Admits() {
		if session.Due(now) {
			session.Renew(w.Header(), secure, now)
		}
		g.w.mu.Lock()
		g.w.upstreams++
		g.w.mu.Unlock()
		_, _ = fmt.Fprintf(w, "%s for %s", r.URL.RequestURI(), session.Credential.Subject)
		return
	}
	demand := DemandOf(&g.required, &d, session)
	if d.Reason.Status() == http.StatusUnauthorized && g.site.Begin(w, r, demand, g.takes...) {
		return
	}
	w.WriteHeader(d.Reason.Status())
	_, _ = fmt.Fprintf(w, `{"type":%q,"sign_in":%q}`, d.Reason.ProblemType(), demand.Path())
}

// textPages writes what a page holds as text.
type textPages struct{}

func (textPages) Write(w http.ResponseWriter, _ *http.Request, p *Page) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// handlerTransport asks a handler without a network.
type handlerTransport struct{ http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	t.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// browser is a browser with a cookie jar.
type browser struct {
	*http.Client
	t    testing.TB
	w    *world
	user string // who is signed in at the provider
}

func (w *world) browser(user string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	b := &browser{t: w.t, w: w, user: user}
	b.Client = &http.Client{Jar: jar, Transport: network{w, b}}
	return b
}

// network is what the browser sees of the world.
type network struct {
	w *world
	b *browser
}

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "login.example.com" {
		r.Header.Set("User", n.b.user)
		return handlerTransport{n.w.provider}.RoundTrip(r)
	}
	site := n.w.sites[HostOf(&http.Request{Host: r.URL.Host})]
	if site == nil {
		return nil, fmt.Errorf("no site %s", r.URL.Host)
	}
	// A server's request has the parts of its address elsewhere.
	served := r.Clone(r.Context())
	if served.Host == "" {
		served.Host = r.URL.Host
	}
	served.TLS = nil
	if r.URL.Scheme == "https" {
		served.TLS = &tls.ConnectionState{HandshakeComplete: true}
	}
	served.URL.Scheme, served.URL.Host = "", ""
	served.RequestURI = served.URL.RequestURI()
	resp, err := handlerTransport{site}.RoundTrip(served)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

// page is what a browser got in the end.
type page struct {
	status int
	header http.Header
	body   string
	url    *url.URL
}

func (p page) kind() PageKind {
	var shown Page
	_ = json.Unmarshal([]byte(p.body), &shown)
	return shown.Kind
}

func (b *browser) do(method, address string, body io.Reader, header ...string) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{resp.StatusCode, resp.Header, string(text), resp.Request.URL}
}

var asNavigation = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}

// open navigates and follows redirects.
func (b *browser) open(address string) page {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil, asNavigation...)
}

// step navigates without following redirects.
func (b *browser) step(address string, header ...string) page {
	b.t.Helper()
	stopped := *b.Client
	stopped.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c := *b
	c.Client = &stopped
	return c.do(http.MethodGet, address, nil, slices.Concat(asNavigation, header)...)
}

// stepTo navigates to the callback of an address, and returns that of the callback.
func (b *browser) stepTo(address string) string {
	b.t.Helper()
	p := b.step(address)
	for strings.HasPrefix(p.header.Get("Location"), "/.curfew/sign-in") {
		p = b.step(resolve(b.t, address, p.header.Get("Location")))
	}
	p = b.step(p.header.Get("Location"))
	if p.status != http.StatusSeeOther {
		b.t.Fatalf("the provider answers %d %s", p.status, p.body)
	}
	return p.header.Get("Location")
}

func resolve(t testing.TB, base, ref string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	to, err := u.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	return to.String()
}

// post sends a form of the site itself.
func (b *browser) post(address string, form url.Values) page {
	b.t.Helper()
	return b.do(http.MethodPost, address, strings.NewReader(form.Encode()),
		"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

// cookie is a cookie that the browser would send to an address.
func (b *browser) cookie(address, name string) string {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (b *browser) setCookie(address, name, value string) {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: u.Scheme == "https"}})
}

// id is the jti of the session that the browser has at the app.
func (b *browser) id() string {
	s, _, _ := b.w.all.Open(b.cookie(app, secureCookies.Session), "app.example.com", b.w.now())
	if s == nil {
		return ""
	}
	return s.Credential.TokenID
}

const app = "https://app.example.com"

func (b *browser) wantSignedIn(address string) page {
	b.t.Helper()
	p := b.open(address)
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	if want := u.RequestURI() + " for " + b.user; p.status != 200 || p.body != want {
		b.t.Fatalf("%s: got %d %q, want %q\nlog: %s", address, p.status, p.body, want, b.w.log)
	}
	return p
}

// want checks the status and the kind of a page.
func (p page) want(t testing.TB, status int, kind PageKind) {
	t.Helper()
	if p.status != status || p.kind() != kind {
		t.Errorf("got %d %q at %s, want %d %s", p.status, p.body, p.url.Path, status, kind)
	}
}

// fakeProvider is an OpenID provider whose person is named by a header, and which
// can be wrong in many ways.
type fakeProvider struct {
	*tokentest.Issuer
	t   testing.TB
	now func() time.Time

	behind        time.Duration // its clock
	noAuthTime    bool
	ignoresMaxAge bool // and prompt
	pairwise      bool
	acr           string            // of a sign-in
	steps         map[string]string // acr by acr_values; nil: acr
	first         string            // acr of the next one, in place of steps
	claims        tokentest.Claims  // of each ID token; nil values remove
	token         map[string]any    // members of each token response
	userinfo      map[string]any    // nil: no endpoint
	metadata      map[string]any    // further members
	refuse        http.HandlerFunc  // in place of the token endpoint
	answer        map[string]string // parameters of each authorization response

	mu       sync.Mutex
	sessions map[string]int64 // when a user signed in, by the user
	grants   map[string]url.Values
	pushed   map[string]url.Values
	asked    []url.Values // authorization requests
	forms    []url.Values // of the token endpoint
	basic    []string
	down     bool
}

func newFakeProvider(t testing.TB, now func() time.Time) *fakeProvider {
	return &fakeProvider{
		Issuer: tokentest.New(t, providerURL), t: t, now: now, acr: "pwd",
		sessions: make(map[string]int64), grants: make(map[string]url.Values), pushed: make(map[string]url.Values),
	}
}

func (p *fakeProvider) verifier(t testing.TB) *token.Verifier {
	t.Helper()
	keys := token.NewKeySet(providerURL, token.KeySetOptions{Transport: p.Transport()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		keys.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	keys.Await(ctx)
	v, err := token.NewVerifier(token.VerifierConfig{Issuers: []token.IssuerKeys{{
		Issuer: token.Issuer{
			Issuer:    revocation.Issuer{URL: providerURL, ClockSkew: skew, Retention: 90 * 24 * time.Hour, DeviceClaim: "device_id"},
			Audiences: []string{"https://api.example.com"}, JWKSMaxStale: 10_000 * time.Hour,
		},
		Keys: keys,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (p *fakeProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{
			"issuer": providerURL, "jwks_uri": providerURL + "/jwks", "authorization_endpoint": providerURL + "/authorize?v=1",
			"token_endpoint": providerURL + "/token", "end_session_endpoint": providerURL + "/logout",
			"authorization_response_iss_parameter_supported": true, "pushed_authorization_request_endpoint": providerURL + "/par",
		}
		if p.userinfo != nil {
			m["userinfo_endpoint"] = providerURL + "/userinfo"
		}
		for name, value := range p.metadata {
			if m[name] = value; value == nil {
				delete(m, name)
			}
		}
		_ = json.NewEncoder(w).Encode(m)
	case "/authorize":
		p.authorize(w, r)
	case "/par":
		_ = r.ParseForm()
		p.note(r)
		id := "urn:" + newSecret(8)
		p.pushed[id] = r.PostForm
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"request_uri": id, "expires_in": 60})
	case "/token":
		p.serveToken(w, r)
	case "/userinfo":
		if r.Header.Get("Authorization") != "Bearer access" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(p.userinfo)
	default:
		p.Issuer.ServeHTTP(w, r)
	}
}

func (p *fakeProvider) note(r *http.Request) {
	p.forms = append(p.forms, r.PostForm)
	user, secret, _ := r.BasicAuth()
	p.basic = append(p.basic, user+":"+secret)
}

func (p *fakeProvider) clock() time.Time { return p.now().Add(-p.behind) }

func (p *fakeProvider) authorize(w http.ResponseWriter, r *http.Request) {
	q, user := r.URL.Query(), r.Header.Get("User")
	if uri := q.Get("request_uri"); uri != "" {
		q = p.pushed[uri]
	}
	p.asked = append(p.asked, q)
	now := p.clock().Unix()
	at, known := p.sessions[user]
	fresh := !known
	if !p.ignoresMaxAge {
		age, err := strconv.ParseInt(q.Get("max_age"), 10, 64)
		fresh = fresh || q.Get("prompt") == "login" || err == nil && now-at > age
	}
	if fresh {
		at = now
		p.sessions[user] = at
	}
	code := newSecret(8)
	grant := url.Values{"user": {user}, "auth_time": {strconv.FormatInt(at, 10)}}
	for _, name := range []string{"nonce", "code_challenge", "code_challenge_method", "client_id", "redirect_uri", "acr_values"} {
		grant[name] = q[name]
	}
	p.grants[code] = grant
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {providerURL}}
	for name, value := range p.answer {
		back.Set(name, value)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

func (p *fakeProvider) serveToken(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.note(r)
	if p.refuse != nil {
		p.refuse(w, r)
		return
	}
	grant := p.grants[r.PostForm.Get("code")]
	delete(p.grants, r.PostForm.Get("code"))
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if grant == nil || grant.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || grant.Get("code_challenge_method") != "S256" ||
		grant.Get("redirect_uri") != r.PostForm.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"secret-of-the-provider"}`)
		return
	}
	now := p.clock().Unix()
	authTime, _ := strconv.ParseInt(grant.Get("auth_time"), 10, 64)
	c := tokentest.Claims{
		"iss": providerURL, "aud": grant.Get("client_id"), "sub": grant.Get("user"), "iat": now, "exp": now + 300, "auth_time": authTime,
		"nonce": grant.Get("nonce"), "sid": "sid-" + grant.Get("user"), "acr": p.acr, "amr": []string{"pwd"}, "name": "Person " + grant.Get("user"),
	}
	if p.steps != nil {
		c["acr"] = cmp.Or(p.first, p.steps[grant.Get("acr_values")], p.steps[""])
		p.first = ""
	}
	if p.pairwise {
		c["sub"] = grant.Get("user") + "@" + grant.Get("client_id")
	}
	if p.noAuthTime {
		delete(c, "auth_time")
	}
	for name, value := range p.claims {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	payload, _ := json.Marshal(c)
	answer := map[string]any{
		"access_token": "access", "token_type": "Bearer", "expires_in": 300, "refresh_token": "refresh-secret",
		"id_token": p.Key().Sign(p.t, payload, map[string]any{"typ": "JWT"}),
	}
	for name, value := range p.token {
		if answer[name] = value; value == nil {
			delete(answer, name)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
