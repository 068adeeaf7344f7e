package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/internal/strictjson"
	"curfew.dev/curfew/token"
)

// endpoints are what a provider says of itself.
type endpoints struct {
	authorization, token, userinfo string
	pushed, endSession             string
	requiresPushed                 bool
	sendsIssuer                    bool // RFC 9207
	postOnly                       bool // client_secret_post, and not basic
}

// Endpoints lists what [Observer.Asked] names, so that metrics can be
// pre-initialised. Its results are ok and error.
var Endpoints = []string{"discovery", "pushed_authorization_request", "token", "userinfo"}

const (
	// metadataAge is how old the metadata may be before it is fetched again, by
	// the next sign-in.
	metadataAge = 10 * time.Minute
	// metadataRetry is how long a failure is remembered, so that a provider that is
	// down is not asked for every request.
	metadataRetry = time.Second
	// firstWait is how long after its beginning a fetch is waited for.
	firstWait = time.Second
)

// provider asks one provider for one sign-in.
type provider struct {
	signIn *SignIn

	mu      sync.Mutex
	known   *endpoints
	err     error
	fetched time.Time
	round   chan struct{} // of the fetch that runs; nil: none does
	began   time.Time     // of that fetch; zero: nobody is to wait for it
	silent  bool          // the last fetch took too long
}

// errProvider is wrapped by errors that say that the provider does not answer, or
// not as it should.
var errProvider = errors.New("the provider")

// refresh has the metadata fetched, beside the caller, if what is known is too old.
func (p *provider) refresh(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	age := metadataAge
	if p.known == nil {
		age = metadataRetry
	}
	if p.round != nil || !p.fetched.IsZero() && now.Sub(p.fetched).Abs() < age {
		return
	}
	p.round, p.began = make(chan struct{}), time.Now()
	if p.silent {
		p.began = time.Time{}
	}
	go p.fetch(context.Background(), p.round)
}

// endpoints returns the endpoints that are known. If none are, it waits for a fetch
// that has just begun, and no longer: a silent provider holds up nobody else.
func (p *provider) endpoints(ctx context.Context, now time.Time) (*endpoints, error) {
	p.refresh(now)
	p.mu.Lock()
	known, err, round, patience := p.known, p.err, p.round, firstWait-time.Since(p.began)
	p.mu.Unlock()
	if known != nil || round == nil {
		return known, err
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-round:
	case <-timeout.C:
		return nil, cmp.Or(err, fmt.Errorf("%w: it has not told its metadata yet", errProvider))
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errProvider, ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known, p.err
}

func (p *provider) fetch(ctx context.Context, round chan struct{}) {
	started := time.Now()
	known, err := p.discover(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = time.Since(started) > firstWait
	p.fetched, p.err = p.signIn.all.deps.Now(), err
	if err == nil {
		p.known = known
	} else if p.known != nil {
		p.err = nil // what is known still holds
	}
	p.round = nil
	close(round)
}

func (p *provider) discover(ctx context.Context) (*endpoints, error) {
	c := &p.signIn.config
	address := c.Discovery
	if address == "" {
		address = token.OpenIDProvider.URL(c.Issuer.URL)
	}
	done := p.asking("discovery")
	m, err := token.ReadMetadata(ctx, c.Client, c.Issuer.URL, address)
	done(err)
	if err != nil {
		return nil, fmt.Errorf("%w: reading its metadata: %w", errProvider, err)
	}
	e := &endpoints{
		authorization: m.Text("authorization_endpoint"), token: m.Text("token_endpoint"), userinfo: m.Text("userinfo_endpoint"),
		pushed: m.Text("pushed_authorization_request_endpoint"), endSession: m.Text("end_session_endpoint"),
		requiresPushed: m.True("require_pushed_authorization_requests"),
		sendsIssuer:    m.True("authorization_response_iss_parameter_supported"),
	}
	if methods, ok := m.Texts("token_endpoint_auth_methods_supported"); ok {
		e.postOnly = slices.Contains(methods, "client_secret_post") && !slices.Contains(methods, "client_secret_basic")
	}
	for name, address := range map[string]string{"authorization_endpoint": e.authorization, "token_endpoint": e.token} {
		if err := c.Client.Allows(address); err != nil {
			return nil, fmt.Errorf("%w: its %s: %w", errProvider, name, err)
		}
	}
	// A browser is sent there, or asked to send a form.
	if e.endSession != "" && c.Client.Allows(e.endSession) != nil {
		e.endSession = ""
	}
	if e.requiresPushed && e.pushed == "" {
		return nil, fmt.Errorf("%w: it requires pushed authorization requests and names no endpoint for them", errProvider)
	}
	return e, nil
}

// asking begins a request to an endpoint; call done at its end.
func (p *provider) asking(endpoint string) (done func(error)) {
	started := p.signIn.all.deps.Now()
	return func(err error) {
		result := "ok"
		if err != nil {
			result = "error"
		}
		p.signIn.all.deps.Observer.Asked(p.signIn.config.Name, endpoint, result, p.signIn.all.deps.Now().Sub(started))
	}
}

// oauth is the client at the provider, as golang.org/x/oauth2 has it.
func (p *provider) oauth(e *endpoints, redirectURI string) (*oauth2.Config, error) {
	c := &p.signIn.config
	o := &oauth2.Config{
		ClientID: c.ClientID, RedirectURL: redirectURI, Scopes: c.scope(),
		Endpoint: oauth2.Endpoint{AuthURL: e.authorization, TokenURL: e.token, AuthStyle: oauth2.AuthStyleInParams},
	}
	if c.ClientSecret == nil {
		return o, nil
	}
	secret, err := c.ClientSecret()
	if err != nil {
		return nil, fmt.Errorf("reading the client secret: %w", err)
	}
	if o.ClientSecret = secret; !e.postOnly {
		o.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	return o, nil
}

// authenticate are the parameters by which a client with a key authenticates.
func (p *provider) authenticate(now time.Time) (url.Values, error) {
	c := &p.signIn.config
	if c.ClientKey == nil {
		return nil, nil
	}
	assertion, err := c.ClientKey.assertion(c.ClientID, c.Issuer.URL, now)
	if err != nil {
		return nil, err
	}
	return url.Values{
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}, nil
}

// push sends an authorization request ahead (RFC 9126) and returns the address to
// which the browser goes.
func (p *provider) push(ctx context.Context, e *endpoints, o *oauth2.Config, request string, now time.Time) (string, error) {
	_, query, _ := strings.Cut(request, "?")
	form, err := url.ParseQuery(query)
	if err != nil {
		return "", fmt.Errorf("pushing the request: %w", err)
	}
	credentials, err := p.authenticate(now)
	if err != nil {
		return "", err
	}
	for name, values := range credentials {
		form[name] = values
	}
	basic := o.ClientSecret != "" && o.Endpoint.AuthStyle == oauth2.AuthStyleInHeader
	if o.ClientSecret != "" && !basic {
		form.Set("client_secret", o.ClientSecret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.pushed, strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("%w: its pushed_authorization_request_endpoint is not a URL", errProvider)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		r.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret)) // RFC 6749, 2.3.1
	}
	done := p.asking("pushed_authorization_request")
	answer, err := p.signIn.config.Client.Do(r)
	var uri string
	if err == nil {
		uri, err = requestURI(answer)
	}
	done(err)
	if err != nil {
		return "", fmt.Errorf("%w: pushing the request: %w", errProvider, err)
	}
	return withQuery(e.authorization, url.Values{"client_id": {o.ClientID}, "request_uri": {uri}}), nil
}

func requestURI(a *outbound.Answer) (string, error) {
	members, err := strictjson.Parse(a.Body, limits)
	if err != nil {
		return "", err
	}
	if a.Status != http.StatusCreated && a.Status != http.StatusOK {
		return "", fmt.Errorf("status %d, error %s", a.Status, errorCode(text(members, "error")))
	}
	uri := text(members, "request_uri")
	if uri == "" {
		return "", errors.New("no request_uri in the answer")
	}
	return uri, nil
}

// limits of what a provider answers.
var limits = strictjson.Limits{Depth: 16, Members: 512}

func text(o strictjson.Object, name string) string {
	s, _ := o.Value(name).Text()
	return s
}

// errorCode is an OAuth error code, which may be logged, or a word for what is
// none (RFC 6749, 5.2).
func errorCode(code string) string {
	if code == "" || len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "unknown"
	}
	return code
}

// withQuery adds parameters to an address and keeps its own.
func withQuery(address string, add url.Values) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // it was checked
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += add.Encode()
	u.Fragment = ""
	return u.String()
}

// tokens is what the token endpoint handed out. The refresh token is not kept: no
// recheck uses it.
type tokens struct {
	id, access string
	scope      []string
}

// errGrant is wrapped by the error for a code that the provider does not take.
var errGrant = errors.New("invalid_grant")

// exchange redeems a code (RFC 6749, 4.1.3).
func (p *provider) exchange(ctx context.Context, e *endpoints, redirectURI, code, verifier string, now time.Time) (tokens, error) {
	o, err := p.oauth(e, redirectURI)
	if err != nil {
		return tokens{}, err
	}
	credentials, err := p.authenticate(now)
	if err != nil {
		return tokens{}, err
	}
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(verifier)}
	for name := range credentials {
		options = append(options, oauth2.SetAuthURLParam(name, credentials.Get(name)))
	}
	done := p.asking("token")
	got, err := o.Exchange(context.WithValue(ctx, oauth2.HTTPClient, p.signIn.config.Client.HTTP()), code, options...)
	done(err)
	if err != nil {
		return tokens{}, fmt.Errorf("%w: redeeming the code: %w", errProvider, safe(err))
	}
	t := tokens{access: got.AccessToken, scope: o.Scopes}
	if t.id, _ = got.Extra("id_token").(string); t.id == "" {
		return tokens{}, fmt.Errorf("%w: redeeming the code: no id_token in the answer", errProvider)
	}
	if granted, ok := got.Extra("scope").(string); ok && granted != "" {
		t.scope = strings.Fields(granted)
	}
	return t, nil
}

// safe is an error of the token endpoint without what the endpoint wrote.
func safe(err error) error {
	var refused *oauth2.RetrieveError
	var dial *url.Error
	switch {
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant":
		return errGrant
	case errors.As(err, &refused) && refused.Response != nil:
		return fmt.Errorf("status %d, error %s", refused.Response.StatusCode, errorCode(refused.ErrorCode))
	case errors.As(err, &dial):
		return dial.Err
	}
	return errors.New("the answer is not one of a token endpoint (RFC 6749, 5.1)")
}

// person asks the userinfo endpoint (OpenID Connect Core, 5.3). The answer must be
// about the subject of the ID token.
func (p *provider) person(ctx context.Context, e *endpoints, access string, subject strictjson.Value) (strictjson.Object, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.userinfo, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: its userinfo_endpoint is not a URL", errProvider)
	}
	r.Header.Set("Authorization", "Bearer "+access)
	r.Header.Set("Accept", "application/json")
	done := p.asking("userinfo")
	members, err := p.askPerson(r, subject)
	done(err)
	if err != nil {
		return nil, fmt.Errorf("%w: asking its userinfo endpoint: %w", errProvider, err)
	}
	return members, nil
}

func (p *provider) askPerson(r *http.Request, subject strictjson.Value) (strictjson.Object, error) {
	a, err := p.signIn.config.Client.Do(r)
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("status %d", a.Status)
	}
	members, err := strictjson.Parse(a.Body, limits)
	if err != nil {
		return nil, err
	}
	want, _ := subject.Text()
	if got, ok := members.Value("sub").Text(); !ok || got != want {
		return nil, errors.New("the answer is about another subject (OpenID Connect Core, 5.3.2)")
	}
	return members, nil
}
