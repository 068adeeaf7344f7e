package caddymodule_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"curfew.dev/curfew/internal/porttest"
	"curfew.dev/curfew/token/tokentest"
)

// provider is an OpenID provider at which whoever the test names is signed in
// without being asked.
type provider struct {
	*tokentest.Issuer
	t   testing.TB
	now func() time.Time

	mu       sync.Mutex
	signedIn map[string]int64      // when, by person
	codes    map[string]url.Values // authorization requests by code
	asked    []url.Values
	claims   tokentest.Claims // of each ID token
	acr      map[string]string
	silent   chan struct{} // closed when it answers again; nil: it answers
	down     bool
}

func (p *provider) set(change func(*provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	silent, down := p.silent, p.down
	p.mu.Unlock()
	if silent != nil && !strings.HasSuffix(r.URL.Path, "/jwks") {
		select {
		case <-silent:
		case <-r.Context().Done():
		}
		return
	}
	if down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.URL.Path {
	case "/jwks":
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.Key().Public()}})
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/jwks", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"end_session_endpoint": p.URL + "/logout", "authorization_response_iss_parameter_supported": true,
		})
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.redeem(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q, person := r.URL.Query(), r.Header.Get("Person")
	p.asked = append(p.asked, q)
	now := p.now().Unix()
	if _, known := p.signedIn[person]; !known || q.Get("prompt") == "login" {
		p.signedIn[person] = now
	}
	code := rand.Text()
	q.Set("person", person)
	p.codes[code] = q
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}.Encode(), http.StatusSeeOther)
}

func (p *provider) redeem(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	q := p.codes[r.PostForm.Get("code")]
	delete(p.codes, r.PostForm.Get("code"))
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if q == nil || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	now, person := p.now().Unix(), q.Get("person")
	c := tokentest.Claims{
		"iss": p.URL, "aud": q.Get("client_id"), "sub": person, "iat": now, "exp": now + 300, "auth_time": p.signedIn[person],
		"nonce": q.Get("nonce"), "sid": "sid-" + person, "acr": "pwd", "amr": []string{"pwd"}, "name": "Person " + person,
	}
	if acr := p.acr[q.Get("acr_values")]; acr != "" {
		c["acr"] = acr
	}
	maps.Copy(c, p.claims)
	payload, _ := json.Marshal(c)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": p.Key().Sign(p.t, payload, map[string]any{"typ": "JWT"}),
	})
}

// signIns is a gateway whose sites sign browsers in: app, wiki and shop at https,
// and localhost at http.
type signIns struct {
	*gateway
	provider *provider
	replaced *strings.Replacer
	plain    string // the port of localhost
	idle     []func()
}

// signInGlobal is the configuration of most tests. SIGNIN is replaced by further
// options of the sign-in staff.
const signInGlobal = `
	curfew {
		issuer ISSUER {
			audience api
			clock_skew 1s
		}
		sign_in staff {
			client_id curfew-web
			scope openid profile
			title Staff
			SIGNIN
		}
		sign_in customers {
			client_id curfew-shop
		}
		policy strong {
			acr mfa
		}
		policy fresh {
			max_age 5m
		}
		ledger local DIR
		on_empty start
		node_name edge-1
		GLOBAL
	}
`

// signInSites are the sites. MORE is replaced by further lines of app, before its
// guard.
const signInSites = `
https://app.example.com:APPPORT {
	tls CERT KEY
	log
	curfew_sign_in staff
	MORE
	@public path /public/*
	@private not path /public/*
	curfew @private {
		session staff
		identity_header X-User-Name name
		OPTIONS
	}
	@strong path /strong /strong/*
	curfew @strong strong {
		session staff
	}
	@fresh path /fresh /fresh/*
	curfew @fresh fresh {
		session staff
	}
	reverse_proxy UPSTREAM
}
https://wiki.example.com:APPPORT {
	tls CERT KEY
	curfew_sign_in staff
	curfew {
		session staff
	}
	reverse_proxy UPSTREAM
}
https://shop.example.com:APPPORT {
	tls CERT KEY
	curfew_sign_in staff customers
	@orders path /orders /orders/*
	curfew @orders {
		session customers
	}
	@both not path /orders /orders/*
	curfew @both {
		session customers staff
	}
	reverse_proxy UPSTREAM
}
http://localhost:HTTPPORT {
	curfew_sign_in staff
	curfew {
		session staff
	}
	reverse_proxy UPSTREAM
}
` + operatorSites

// startSignIns starts the gateway. Pairs of old and new replace text in the
// configuration.
func startSignIns(t *testing.T, change ...string) *signIns {
	t.Helper()
	s := prepareSignIns(t)
	s.loadSignIns(change...)
	s.awaitReady()
	return s
}

func prepareSignIns(t *testing.T) *signIns {
	t.Helper()
	s := &signIns{gateway: prepare(t)}
	s.provider = &provider{Issuer: s.issuer, t: t, now: time.Now, signedIn: make(map[string]int64), codes: make(map[string]url.Values)}
	s.issuer.Fail(s.provider)
	cert, key := keyPair(t, t.TempDir(), "site")
	s.plain = porttest.Keep(t, 1)[0]
	s.replaced = strings.NewReplacer("CERT", cert, "KEY", key, "HTTPPORT", s.plain)
	return s
}

// texts returns the configuration. Pairs of old and new replace text in it.
func (s *signIns) texts(change ...string) (global, sites string) {
	text := strings.NewReplacer(append(change, "SIGNIN", "", "GLOBAL", "", "MORE", "", "OPTIONS", "")...)
	return s.replaced.Replace(text.Replace(signInGlobal)), s.replaced.Replace(text.Replace(signInSites))
}

func (s *signIns) loadSignIns(change ...string) {
	s.t.Helper()
	s.load(s.texts(change...))
	for _, closeIdle := range s.idle { // a server that goes may answer once more
		closeIdle()
	}
}

// site is the origin of a host.
func (s *signIns) site(host string) string {
	if host == "localhost" {
		return "http://localhost:" + s.plain
	}
	return "https://" + host + ".example.com:" + s.port
}

// tab is a browser with a cookie jar, in which a person is signed in at the
// provider.
type tab struct {
	*http.Client
	s      *signIns
	person string
}

func (s *signIns) browser(person string) *tab {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is of the test
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	s.idle = append(s.idle, transport.CloseIdleConnections)
	b := &tab{Client: &http.Client{Jar: jar, Transport: transport, Timeout: patience}, s: s, person: person}
	b.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		r.Header.Set("Person", b.person)
		if len(via) > 20 {
			s.t.Errorf("redirected for ever, to %s", r.URL)
			return http.ErrUseLastResponse
		}
		return nil
	}
	return b
}

// ask sends a request; pairs of header and value follow the body.
func (b *tab) ask(method, address, body string, header ...string) answer {
	b.s.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(b.s.t.Context(), method, address, content)
	if err != nil {
		b.s.t.Fatal(err)
	}
	r.Header.Set("Person", b.person)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := b.Do(r)
	for tries := 0; tries < 3 && method == http.MethodGet && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)); tries++ {
		resp, err = b.Do(r) // a reload has closed the connection
	}
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return answer{resp, string(text)}
}

var (
	asNavigation = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	asScript     = []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"}
)

// open navigates and follows redirects.
func (b *tab) open(address string, header ...string) answer {
	b.s.t.Helper()
	return b.ask(http.MethodGet, address, "", append(header, asNavigation...)...)
}

// still returns the browser with its cookies, but it follows no redirect.
func (b *tab) still() *tab {
	c := *b.Client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &tab{&c, b.s, b.person}
}

// script asks as a script of the page does.
func (b *tab) script(method, address, body string, header ...string) answer {
	b.s.t.Helper()
	return b.still().ask(method, address, body, append(header, asScript...)...)
}

// signIn opens a page of a host, which must be the upstream's at the end.
func (b *tab) signIn(host string) answer {
	b.s.t.Helper()
	a := b.open(b.s.site(host) + "/deep?a=1&b=2")
	if a.StatusCode != 200 || a.body != "upstream" || a.Request.URL.RequestURI() != "/deep?a=1&b=2" {
		b.s.t.Fatalf("%s: %d at %s: %s", host, a.StatusCode, a.Request.URL, a.body)
	}
	return a
}

func (b *tab) cookies(host string) map[string]string {
	u, err := url.Parse(b.s.site(host))
	if err != nil {
		b.s.t.Fatal(err)
	}
	all := make(map[string]string)
	for _, c := range b.Jar.Cookies(u) {
		all[c.Name] = c.Value
	}
	return all
}

func (b *tab) setCookie(host, name, value string) {
	u, err := url.Parse(b.s.site(host))
	if err != nil {
		b.s.t.Fatal(err)
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: u.Scheme == "https"}})
}

// session is what GET /.curfew/session tells.
func (b *tab) session(host string) map[string]any {
	b.s.t.Helper()
	a := b.script(http.MethodGet, b.s.site(host)+"/.curfew/session", "")
	var told map[string]any
	if err := json.Unmarshal([]byte(a.body), &told); err != nil || a.StatusCode != 200 {
		b.s.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	return told
}
