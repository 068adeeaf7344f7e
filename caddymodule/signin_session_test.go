package caddymodule_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"curfew.dev/curfew/caddymodule"
	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/token/tokentest"
)

// copyOf is a browser with the cookies that another one has now: an old copy.
func (b *tab) copyOf(hosts ...string) *tab {
	c := b.s.browser(b.person)
	for _, host := range hosts {
		for name, value := range b.cookies(host) {
			c.setCookie(host, name, value)
		}
	}
	return c
}

func (b *tab) status(host string) int {
	b.s.t.Helper()
	return b.script("GET", b.s.site(host)+"/x", "").StatusCode
}

// An old copy of a cookie is worth nothing after whatever ends its session, after a
// reload and after a restart.
func TestAnOldCopyOfASessionIsRefused(t *testing.T) {
	for name, end := range map[string]func(*signIns, *tab) int{
		"signed out here": func(s *signIns, b *tab) int {
			if a := b.script("POST", s.site("app")+"/.curfew/sign-out", ""); a.StatusCode != 200 {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if b.cookies("app")[sessionCookie] != "" {
				t.Error("the cookie stays")
			}
			return 401
		},
		"signed out of this host": func(s *signIns, b *tab) int {
			b.script("POST", s.site("app")+"/.curfew/sign-out", "scope=host", "Content-Type", "application/x-www-form-urlencoded")
			return 401
		},
		"signed out by the help desk": func(s *signIns, b *tab) int {
			s.revoke(map[string]string{"iss": s.issuer.URL, "sub": "alice"})
			return 401
		},
		"its sid": func(s *signIns, b *tab) int {
			s.revoke(map[string]string{"iss": s.issuer.URL, "sid": "sid-alice"})
			return 401
		},
		"the key of its ID token": func(s *signIns, b *tab) int {
			if a := s.call(breakGlass, http.MethodPost, "/v1/revocations/preview", map[string]any{"target": map[string]string{"iss": s.issuer.URL, "kid": "key-1"}}); a.StatusCode != 200 {
				t.Errorf("%d %s", a.StatusCode, a.body)
			} else {
				var preview map[string]any
				_ = json.Unmarshal([]byte(a.body), &preview)
				body := map[string]any{"target": map[string]string{"iss": s.issuer.URL, "kid": "key-1"}, "preview_id": preview["preview_id"], "max_affected": 1000}
				if a := s.call(breakGlass, http.MethodPost, "/v1/revocations", body); a.StatusCode != 201 {
					t.Errorf("%d %s", a.StatusCode, a.body)
				}
			}
			return 401
		},
		"its client": func(s *signIns, b *tab) int {
			s.revoke(map[string]string{"iss": s.issuer.URL, "sub": "alice", "client_id": "curfew-web"})
			return 401
		},
		"a block": func(s *signIns, b *tab) int {
			if a := s.call(helpdesk, http.MethodPost, "/v1/blocks", map[string]any{"target": map[string]string{"iss": s.issuer.URL, "sub": "alice"}}); a.StatusCode != 201 {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			return 403
		},
		"a step-up": func(s *signIns, b *tab) int {
			s.provider.set(func(p *provider) { p.acr = map[string]string{"mfa": "mfa"} })
			if a := b.open(s.site("app") + "/strong"); a.StatusCode != 200 || a.body != "upstream" {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if b.status("app") != 200 {
				t.Error("the new session is refused")
			}
			return 401
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSignIns(t)
			b := s.browser("alice")
			b.signIn("app")
			old := b.copyOf("app")
			if old.copyOf("app").status("app") != 200 {
				t.Fatal("the copy is refused at once")
			}
			want := end(s, b)
			if got := old.copyOf("app").status("app"); got != want {
				t.Errorf("the copy gets %d, want %d", got, want)
			}
			s.loadSignIns("OPTIONS", "authorization strip")
			if got := old.copyOf("app").status("app"); got != want {
				t.Errorf("after a reload the copy gets %d, want %d", got, want)
			}
			s.stop()
			s.loadSignIns()
			s.awaitReady()
			if got := old.copyOf("app").status("app"); got != want {
				t.Errorf("after a restart the copy gets %d, want %d", got, want)
			}
		})
	}
}

// One sign-out ends the sessions of a browser on all hosts of the sign-in, and of no
// other browser.
func TestASignOutIsForOneBrowser(t *testing.T) {
	s := prepareSignIns(t)
	s.loadSignIns("SIGNIN", "callback https://wiki.example.com:"+s.port+" app.example.com wiki.example.com",
		"curfew_sign_in staff customers", "curfew_sign_in customers", "session customers staff", "session customers",
		"http://localhost:HTTPPORT {\n\tcurfew_sign_in staff\n\tcurfew {\n\t\tsession staff\n\t}", "http://localhost:HTTPPORT {")
	s.awaitReady()
	b, other := s.browser("alice"), s.browser("alice")
	for _, host := range []string{"app", "wiki"} {
		b.signIn(host)
		other.signIn(host)
	}
	if a := b.still().open(s.site("app") + "/.curfew/sign-out?return=/x"); a.StatusCode != 200 || !strings.Contains(a.body, "Person alice") || b.status("app") != 200 {
		t.Errorf("a question signs out, or names nobody: %d %s", a.StatusCode, a.body)
	}
	a := b.ask("POST", s.site("app")+"/.curfew/sign-out", "", append([]string{"Sec-Fetch-Site", "same-origin"}, asNavigation...)...)
	if a.StatusCode != 200 || !strings.Contains(a.body, s.issuer.URL+"/logout") || !strings.Contains(a.body, s.site("wiki")+"/.curfew/signed-out") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	for _, host := range []string{"app", "wiki"} {
		if got := b.status(host); got != 401 {
			t.Errorf("%s: %d", host, got)
		}
		if got := other.status(host); got != 200 {
			t.Errorf("the other browser at %s: %d", host, got)
		}
	}
	if got := b.session("wiki")["authenticated"]; got != false {
		t.Errorf("it is told %v", got)
	}
}

// What a session has open ends when the session does, and the request that ends it is
// answered.
func TestWhatASessionHasOpenEnds(t *testing.T) {
	streams := startStreams(t)
	for name, end := range map[string]func(*signIns, *tab){
		"signed out here": func(s *signIns, b *tab) {
			if a := b.script("POST", s.site("app")+"/.curfew/sign-out", ""); a.StatusCode != 200 {
				t.Errorf("the sign-out itself gets %d %s", a.StatusCode, a.body)
			}
		},
		"signed out at the provider, a session": func(s *signIns, _ *tab) {
			s.logout(t, "app", tokentest.Claims{"sid": "sid-alice"})
		},
		"signed out at the provider, a person": func(s *signIns, _ *tab) {
			s.logout(t, "wiki", tokentest.Claims{"sub": "alice"})
		},
		"by the admin API": func(s *signIns, b *tab) { s.revoke(map[string]string{"iss": s.issuer.URL, "sub": "alice"}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := startSignIns(t, "MORE", "handle /ws {\n curfew {\n  session staff\n }\n reverse_proxy "+streams.http+"\n}\nhandle /sse {\n curfew {\n  session staff\n }\n reverse_proxy "+streams.http+"\n}")
			b, other := s.browser("alice"), s.browser("bob")
			b.signIn("app")
			other.signIn("app")
			dial := func(b *tab) *websocket.Conn {
				c, _, err := websocket.Dial(t.Context(), s.site("app")+"/ws", &websocket.DialOptions{HTTPClient: b.Client, HTTPHeader: http.Header{"Origin": {s.site("app")}}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.CloseNow() })
				return c
			}
			mine, theirs := dial(b), dial(other)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.site("app")+"/sse", nil)
			if err != nil {
				t.Fatal(err)
			}
			events, err := b.Do(req)
			if err != nil || events.StatusCode != 200 {
				t.Fatal(events, err)
			}
			defer events.Body.Close()
			end(s, b)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var closed websocket.CloseError
			if _, _, err := mine.Read(ctx); !errors.As(err, &closed) || closed.Code != websocket.StatusPolicyViolation {
				t.Errorf("the web socket ends with %v", err)
			}
			if _, err := io.ReadAll(events.Body); err == nil {
				t.Error("the event stream ends as if it were complete")
			}
			if err := theirs.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
				t.Error(err)
			}
			if _, text, err := theirs.Read(ctx); err != nil || string(text) != "hello" {
				t.Errorf("somebody else's: %q %v", text, err)
			}
		})
	}
}

// Sessions outlive reloads, failed ones too, and restarts.
func TestSessionsOutliveReloadsAndRestarts(t *testing.T) {
	s := startSignIns(t)
	b := s.browser("alice")
	b.signIn("app")
	s.loadSignIns("OPTIONS", "authorization strip")
	if got := b.status("app"); got != 200 {
		t.Errorf("after a reload: %d", got)
	}
	global, sites := s.texts()
	if err := s.tryLoad(global, strings.Replace(sites, "curfew_sign_in staff\n", "", 1)); err == nil {
		t.Fatal("a guard is offered no sign-in")
	}
	if got := b.status("app"); got != 200 {
		t.Errorf("after a failed reload: %d", got)
	}
	s.stop()
	s.loadSignIns()
	s.awaitReady()
	if got := b.status("app"); got != 200 {
		t.Errorf("after a restart: %d", got)
	}
}

// A claim that a guard names after a session was made is not in it: the person signs
// in once more, at once.
func TestAClaimThatWasNamedSinceNeedsANewSession(t *testing.T) {
	s := startSignIns(t)
	s.provider.set(func(p *provider) { p.claims = tokentest.Claims{"email": "alice@example.com"} })
	b := s.browser("alice")
	b.signIn("app")
	s.loadSignIns("OPTIONS", "identity_header X-User-Email email")
	if got := b.copyOf("app").status("app"); got != 401 {
		t.Errorf("a session without the claim gets %d", got)
	}
	b.signIn("app")
	if got := s.upstream.header("X-User-Email"); len(got) != 1 || got[0] != "alice@example.com" {
		t.Errorf("the upstream gets %q", got)
	}
}

// Keys are changed one node after the other and nobody is signed out: first all
// nodes open what the new key seals, then it seals, then the old one goes.
func TestASealingKeyIsChangedAndNobodyIsSignedOut(t *testing.T) {
	s := prepareSignIns(t)
	c := new(clock)
	t.Cleanup(caddymodule.SetClock(c.now))
	dir := t.TempDir()
	var keys [3]string
	for i := range keys {
		keys[i] = filepath.Join(dir, strconv.Itoa(i))
		writeFile(t, keys[i], []byte(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(strconv.Itoa(i), seal.KeySize)))))
	}
	with := func(names ...string) {
		t.Helper()
		text := ""
		for _, name := range names {
			text += "sealing_key " + name + "\n"
		}
		s.loadSignIns("GLOBAL", text)
		s.awaitReady()
	}
	with(keys[0])
	b := s.browser("alice")
	b.signIn("app")
	old := b.copyOf("app")
	for _, names := range [][]string{{keys[0], keys[1]}, {keys[1], keys[0]}} {
		with(names...)
		if got := b.status("app"); got != 200 {
			t.Errorf("%d with %v", got, names)
		}
	}
	c.off.Store(int64(10 * time.Minute))
	if a := b.script("GET", s.site("app")+"/x", ""); a.StatusCode != 200 || a.Header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d %v", a.StatusCode, a.Header)
	}
	with(keys[1])
	if got := b.status("app"); got != 200 {
		t.Errorf("a session that was sealed anew gets %d", got)
	}
	if got := old.status("app"); got != 401 || old.cookies("app")[sessionCookie] == "" {
		t.Errorf("a session of a key that is gone gets %d, and its cookie must be left alone", got)
	}
	with(keys[2])
	if got := b.status("app"); got != 401 || b.cookies("app")[sessionCookie] == "" {
		t.Errorf("with another key it gets %d", got)
	}
	with(keys[1])
	if got := b.status("app"); got != 200 {
		t.Errorf("when its key is back it gets %d", got)
	}
}

// A session is sealed anew when a tenth of idle has passed and a response begins, by
// every kind of response but 1xx and 304; that response is for nobody else.
func TestASessionIsSealedAnew(t *testing.T) {
	s := prepareSignIns(t)
	c := new(clock)
	t.Cleanup(caddymodule.SetClock(c.now))
	s.provider.now = c.now
	release := make(chan struct{})
	special := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("Cdn-Cache-Control", "max-age=60")
		w.Header().Set("Surrogate-Control", "max-age=60")
		switch r.URL.Path {
		case "/special/304":
			w.WriteHeader(http.StatusNotModified)
		case "/special/early":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusAccepted)
		case "/special/slow":
			<-release
		case "/special/file":
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		}
	}))
	t.Cleanup(special.Close)
	s.loadSignIns("SIGNIN", "cookie persistent", "MORE", "handle /special/* {\n curfew {\n  session staff\n }\n reverse_proxy "+special.Listener.Addr().String()+"\n}")
	s.awaitReady()
	b := s.browser("alice")
	b.signIn("app")
	first := b.cookies("app")[sessionCookie]
	expect := func(path string, anew bool, cache string) {
		t.Helper()
		before := b.cookies("app")[sessionCookie]
		a := b.script("GET", s.site("app")+path, "")
		after := b.cookies("app")[sessionCookie]
		if (before != after) != anew || a.Header.Get("Cache-Control") != cache || anew == (a.Header.Get("Cdn-Cache-Control")+a.Header.Get("Surrogate-Control") != "" || false) && strings.HasPrefix(path, "/special") {
			t.Errorf("%s: sealed anew: %v, %v", path, before != after, a.Header)
		}
		if anew && !strings.Contains(strings.Join(a.Header["Set-Cookie"], ""), "Max-Age=3600") {
			t.Errorf("%s: %v", path, a.Header["Set-Cookie"])
		}
	}
	expect("/x", false, "private, no-cache")
	expect("/special/x", false, "public, max-age=60")
	c.off.Add(int64(7 * time.Minute))
	expect("/special/304", false, "public, max-age=60")
	expect("/special/early", true, "private, no-store")
	expect("/special/early", false, "public, max-age=60")
	for _, path := range []string{"/special/file", "/special/x", "/x"} {
		c.off.Add(int64(7 * time.Minute))
		expect(path, true, "private, no-store")
	}
	b.session("app")
	if b.cookies("app")[sessionCookie] == first {
		t.Error("it was never sealed anew")
	}
	c.off.Add(int64(7 * time.Minute))
	before := b.cookies("app")[sessionCookie]
	if b.session("app")["authenticated"] != true || b.cookies("app")[sessionCookie] != before {
		t.Error("asking who is signed in is a use")
	}

	// A response that begins after the cut of its session does not seal it anew.
	slow := make(chan answer, 1)
	go func() { slow <- b.copyOf("app").script("GET", s.site("app")+"/special/slow", "") }()
	eventually(t, "the slow request is open", func() bool {
		return number(grep(fetch(t, s.health+"/metrics"), `curfew_live_requests{protocol="http1"}`))+number(grep(fetch(t, s.health+"/metrics"), `curfew_live_requests{protocol="http2"}`)) > 0
	})
	s.revoke(map[string]string{"iss": s.issuer.URL, "sub": "alice"})
	close(release)
	if a := <-slow; a.StatusCode != 401 || strings.Contains(strings.Join(a.Header["Set-Cookie"], ""), sessionCookie+"=1") {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}

	// Without use it ends, and the cookie goes.
	s.browser("bob").signIn("app")
	idle := s.browser("carol")
	idle.signIn("app")
	c.off.Add(int64(61 * time.Minute))
	if got := idle.status("app"); got != 401 || idle.cookies("app")[sessionCookie] != "" {
		t.Errorf("after an hour without use: %d", got)
	}
}

// A damaged cookie is none, also where nobody need sign in, and is deleted.
func TestADamagedSessionIsNone(t *testing.T) {
	s := startSignIns(t, "OPTIONS", "optional")
	b := s.browser("alice")
	b.signInOptional()
	good := b.cookies("app")[sessionCookie]
	for i, bad := range []string{"x", good[:len(good)-2], good + "A", strings.Replace(good, "1.", "2.", 1), strings.ToUpper(good)} {
		c := s.browser("alice")
		c.setCookie("app", sessionCookie, bad)
		a := c.script("GET", s.site("app")+"/x", "")
		unknown := i == 3
		if got := s.upstream.header("Curfew-Authenticated"); a.StatusCode != 200 || len(got) != 1 || got[0] != "false" || (c.cookies("app")[sessionCookie] != "") != unknown && i != 4 {
			t.Errorf("%d: %d, the upstream gets %v, the cookie is %q", i, a.StatusCode, got, c.cookies("app")[sessionCookie])
		}
	}
	twice := b.still().ask("GET", s.site("app")+"/x", "", "Cookie", sessionCookie+"="+good)
	if got := s.upstream.header("Curfew-Authenticated"); twice.StatusCode != 200 || got[0] != "false" {
		t.Errorf("two sessions: %d %v", twice.StatusCode, got)
	}
}

func (b *tab) signInOptional() {
	b.s.t.Helper()
	if a := b.open(b.s.site("app") + "/.curfew/sign-in?return=%2Fx"); a.StatusCode != 200 || a.body != "upstream" {
		b.s.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if got := b.s.upstream.header("Curfew-Subject"); len(got) != 1 || got[0] != b.person {
		b.s.t.Fatalf("it is %q", got)
	}
}

// A page that a person may not see says who is signed in and offers another account.
func TestAForbiddenPageOffersAnotherAccount(t *testing.T) {
	s := startSignIns(t, "OPTIONS", "scope admin")
	b := s.browser("alice")
	a := b.open(s.site("app") + "/x?a=1")
	if a.StatusCode != 403 || !strings.Contains(a.body, "Person alice") || !strings.Contains(a.body, "prompt=select_account&amp;return=%2Fx%3Fa%3D1") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := b.script("GET", s.site("app")+"/x", ""); a.StatusCode != 403 || a.problem() != "urn:curfew:insufficient-scope" {
		t.Errorf("a script: %d %s", a.StatusCode, a.body)
	}
}

// A provider that is down or silent keeps neither the gateway nor a page waiting.
func TestAProviderThatIsSilentKeepsNobodyWaiting(t *testing.T) {
	s := prepareSignIns(t)
	answers := make(chan struct{})
	s.provider.set(func(p *provider) { p.silent = answers })
	s.loadSignIns("audience api", "audience api\n\t\t\tjwks ISSUER/jwks")
	s.awaitReady()
	b := s.browser("alice")
	for range 3 {
		started := time.Now()
		if a := b.still().open(s.site("app") + "/x"); a.StatusCode != 502 || !strings.Contains(a.body, "/.curfew/sign-in?name=staff&amp;return=%2Fx") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("a page load waited for %s", took)
		}
	}
	s.provider.set(func(p *provider) { p.silent = nil })
	close(answers)
	eventually(t, "the provider is asked again", func() bool {
		return b.still().open(s.site("app")+"/x").StatusCode == 303
	})
	b.signIn("app")
}

// Behind a proxy that ends TLS, https is what it says, if it is trusted.
func TestATrustedProxySaysThatItIsHTTPS(t *testing.T) {
	s := prepareSignIns(t)
	global, sites := s.texts("SIGNIN", "callback https://app.example.com app.example.com", "https://app.example.com:APPPORT {\n\ttls CERT KEY", "http://app.example.com:APPPORT {")
	sites = sites[:strings.Index(sites, "https://wiki")] + sites[strings.Index(sites, "http://127.0.0.1:ADMINPORT"):]
	load := func(trusted string) {
		s.load(strings.Replace(global, "\tcurfew {", "\tservers {\n\t\ttrusted_proxies static "+trusted+"\n\t}\n\tcurfew {", 1), sites)
		s.awaitReady()
	}
	load("127.0.0.1/32")
	b := s.browser("alice")
	address := "http://app.example.com:" + s.port + "/x"
	if a := b.still().open(address); a.StatusCode != 400 {
		t.Errorf("over plain http: %d", a.StatusCode)
	}
	a := b.still().open(address, "X-Forwarded-Proto", "https")
	if a.StatusCode != 303 || !strings.Contains(a.Header.Get("Location"), "redirect_uri=https%3A%2F%2Fapp.example.com%2F.curfew") || !strings.Contains(fmt.Sprint(a.Header["Set-Cookie"]), "__Host-curfew-attempt") {
		t.Errorf("as the proxy sends it: %d %v %s", a.StatusCode, a.Header, a.body)
	}
	if a := b.still().open(address, "X-Forwarded-Proto", "https", "X-Forwarded-Proto", "http"); a.StatusCode != 400 {
		t.Errorf("a proxy that says both: %d", a.StatusCode)
	}
	load("192.0.2.0/24")
	if a := b.still().open(address, "X-Forwarded-Proto", "https"); a.StatusCode != 400 {
		t.Errorf("as a stranger sends it: %d", a.StatusCode)
	}
}

// A cut of one session is kept as long as a session lasts, however short tokens are,
// and a provider whose ID tokens alone are taken bounds no target of a sign-out.
func TestACutOfASessionLastsAsLongAsASession(t *testing.T) {
	s := prepareSignIns(t)
	c := new(clock)
	t.Cleanup(caddymodule.SetClock(c.now))
	s.provider.now = c.now
	s.loadSignIns("SIGNIN", "idle 3d\nlifetime 3d", "audience api", "audience api\nmax_token_lifetime 1h\nclient web\naccept id_token")
	s.awaitReady()
	b, other := s.browser("alice"), s.browser("alice")
	b.signIn("app")
	other.signIn("app")
	old := b.copyOf("app")
	if a := b.script("POST", s.site("app")+"/.curfew/sign-out", "scope=host", "Content-Type", "application/x-www-form-urlencoded"); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := other.script("POST", s.site("app")+"/.curfew/sign-out", ""); a.StatusCode != 200 {
		t.Errorf("of all hosts: %d %s", a.StatusCode, a.body)
	}
	kept := s.browser("bob")
	kept.signIn("app")
	for range 5 {
		c.off.Add(int64(12 * time.Hour))
		s.revoke(map[string]string{"iss": s.issuer.URL, "sub": "somebody"}) // what has run out goes
		if got := old.copyOf("app").status("app"); got != 401 {
			t.Errorf("%s later the session is back: %d", time.Duration(c.off.Load()), got)
		}
		if got := kept.status("app"); got != 200 {
			t.Errorf("%s later bob gets %d", time.Duration(c.off.Load()), got)
		}
	}
}

// A wildcard site with a shared callback signs in at the hosts that its routes name,
// and JSON configurations say which server has the mistake.
func TestAWildcardSiteSignsIn(t *testing.T) {
	s := prepareSignIns(t)
	global, sites := s.texts("SIGNIN", "callback https://wiki.example.com:"+s.port+" app.example.com wiki.example.com")
	admin := sites[strings.Index(sites, "http://127.0.0.1:ADMINPORT"):]
	wildcard := s.replaced.Replace(`
https://*.example.com:APPPORT {
	tls CERT KEY
	curfew_sign_in staff
	@app host app.example.com
	handle @app {
		curfew {
			session staff
		}
		reverse_proxy UPSTREAM
	}
	handle {
		respond "another host"
	}
}
`)
	s.load(global, wildcard+admin)
	s.awaitReady()
	b := s.browser("alice")
	b.signIn("app")
	if a := b.open(s.site("shop") + "/"); a.body != "another host" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	adapted, err := s.config(global, wildcard+admin)
	if err != nil {
		t.Fatal(err)
	}
	s.loadJSON(string(adapted))
	if got := b.status("app"); got != 200 {
		t.Errorf("by JSON: %d", got)
	}
}

// An operator is told how a session would be judged.
func TestASessionIsExplained(t *testing.T) {
	s := startSignIns(t)
	b := s.browser("alice")
	b.signIn("app")
	cookie := b.cookies("app")[sessionCookie]
	explain := func() string {
		return s.call("reading-secret-of-the-tests", http.MethodPost, "/v1/explain", map[string]any{"token": cookie, "policies": []string{"strong"}}).body
	}
	text := explain()
	for _, want := range []string{`"decision":"refuse"`, `"step-up-required"`, `"sign_in":"staff"`, `"host":"app.example.com"`} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %s: %s", want, text)
		}
	}
	if strings.Contains(text, cookie) {
		t.Error("it repeats the cookie")
	}
	s.revoke(map[string]string{"iss": s.issuer.URL, "sub": "alice"})
	if text := explain(); !strings.Contains(text, `"signed-out"`) {
		t.Errorf("%s", text)
	}
}
