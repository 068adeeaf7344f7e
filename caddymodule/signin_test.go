package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The person comes back to the page that was asked for, and the upstream learns who
// it is and nothing of the cookies.
func TestABrowserSignsIn(t *testing.T) {
	s := startSignIns(t)
	b := s.browser("alice")
	b.setCookie("app", "theirs", "1")
	b.signIn("app")
	for name, want := range map[string]string{
		"Curfew-Authenticated": "true", "Curfew-Issuer": s.issuer.URL, "Curfew-Subject": "alice", "Curfew-Client": "curfew-web",
		"Curfew-Session": "sid-alice", "X-User-Name": "Person%20alice", "Cookie": "theirs=1",
	} {
		if got := s.upstream.header(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := s.upstream.header("Curfew-Device"); len(got) != 1 || !strings.HasPrefix(got[0], "cd_") {
		t.Errorf("the device is %q", got)
	}
	hits := s.upstream.count()
	if a := b.script("GET", s.site("app")+"/api", ""); a.StatusCode != 200 || s.upstream.count() != hits+1 || a.Header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("a script gets %d %v", a.StatusCode, a.Header)
	}
	told := b.session("app")
	if told["authenticated"] != true || told["subject"] != "alice" || told["name"] != "Person alice" || told["sign_in"] != "staff" || told["client_id"] != "curfew-web" {
		t.Errorf("%v", told)
	}
	s.browser("alice").signIn("localhost")
}

const sessionCookie = "__Host-curfew"

// The answers to what is no navigation are for scripts: a problem with the path at
// which a sign-in mends it.
func TestAScriptIsToldWhereToSignIn(t *testing.T) {
	s := startSignIns(t, "OPTIONS", "acr mfa phr\nmax_age 10m")
	b := s.browser("alice")
	app := s.site("app")
	for name, header := range map[string][]string{
		"a script":     asScript,
		"a prefetch":   append([]string{"Sec-Purpose", "prefetch"}, asNavigation...),
		"a prerender":  append([]string{"Sec-Purpose", "prefetch;prerender"}, asNavigation...),
		"a frame":      {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
		"an image":     {"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Accept", "text/html"},
		"curl":         {"Accept", "*/*"},
		"a web socket": {"Sec-Fetch-Mode", "websocket", "Sec-Fetch-Dest", "websocket", "Connection", "Upgrade", "Upgrade", "websocket"},
	} {
		a := b.still().ask("GET", app+"/x", "", header...)
		var problem struct {
			Type   string
			SignIn string `json:"sign_in"`
		}
		_ = json.Unmarshal([]byte(a.body), &problem)
		if a.StatusCode != 401 || problem.Type != "urn:curfew:no-credential" || problem.SignIn != "/.curfew/sign-in?acr_values=mfa+phr&max_age=600" ||
			a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %v %s", name, a.StatusCode, a.Header, a.body)
		}
	}
	for name, header := range map[string][]string{"a browser": asNavigation, "an old browser": {"Accept", "text/html,*/*"}} {
		a := b.still().ask("GET", app+"/x?y=1", "", header...)
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil || a.StatusCode != 303 || !strings.HasPrefix(to.String(), s.issuer.URL+"/authorize?") || a.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d %v", name, a.StatusCode, a.Header)
		}
		q := to.Query()
		if q.Get("redirect_uri") != app+"/.curfew/callback/staff" || q.Get("client_id") != "curfew-web" || q.Get("scope") != "openid profile" ||
			q.Get("acr_values") != "mfa phr" || q.Get("max_age") != "600" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" {
			t.Errorf("%s: %v", name, q)
		}
	}
	form := append([]string{"Content-Type", "application/x-www-form-urlencoded", "Referer", app + "/edit?id=7", "Sec-Fetch-Site", "same-origin"}, asNavigation...)
	if a := b.still().ask("POST", app+"/save", "text=long", form...); a.StatusCode != 401 || !strings.Contains(a.body, "return=%2Fedit%3Fid%3D7") || !strings.Contains(a.body, "_blank") {
		t.Errorf("a form that comes too late: %d %s", a.StatusCode, a.body)
	}
	if s.upstream.count() != 0 {
		t.Errorf("the upstream got\n%s", s.upstream.dump())
	}
}

// Threat 1.4: a session is good at the host and for the sign-in that made it, cached
// or not.
func TestASessionIsGoodWhereItWasMade(t *testing.T) {
	s := startSignIns(t)
	b := s.browser("alice")
	b.signIn("app")
	cookie := b.cookies("app")[sessionCookie]
	b.script("GET", s.site("app")+"/x", "") // it is cached now
	for _, host := range []string{"wiki", "shop"} {
		thief := s.browser("mallory")
		thief.setCookie(host, sessionCookie, cookie)
		if a := thief.script("GET", s.site(host)+"/x", ""); a.StatusCode != 401 {
			t.Errorf("at %s: %d", host, a.StatusCode)
		}
		if thief.cookies(host)[sessionCookie] != "" {
			t.Errorf("%s leaves a cookie of another host alone", host)
		}
	}
	// A request for another host over the same connection is judged by its host.
	if a := b.script("GET", s.site("app")+"/x", "", "Host", "wiki.example.com"); a.StatusCode == 200 {
		t.Errorf("with the Host of another site: %d", a.StatusCode)
	}
}

// Where a site has several sign-ins, a guard takes the sessions of those that it names.
func TestAGuardTakesTheSignInsThatItNames(t *testing.T) {
	s := startSignIns(t)
	shop := s.site("shop")
	b := s.browser("alice")
	if a := b.open(shop + "/deep?a=1"); a.StatusCode != 200 || !strings.Contains(a.body, "Staff") || !strings.Contains(a.body, "customers") {
		t.Fatalf("nobody is asked which sign-in to use: %d %s", a.StatusCode, a.body)
	}
	if a := b.open(shop + "/.curfew/sign-in?name=staff&return=%2Fdeep"); a.StatusCode != 200 || a.body != "upstream" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := b.script("GET", shop+"/deep", ""); a.StatusCode != 200 {
		t.Errorf("staff: %d", a.StatusCode)
	}
	if a := b.script("GET", shop+"/orders/1", ""); a.StatusCode != 401 || a.problem() != "urn:curfew:no-credential" {
		t.Errorf("staff at a guard for customers: %d %s", a.StatusCode, a.body)
	}
	if a := b.open(shop + "/orders/1"); a.StatusCode != 200 || a.body != "upstream" || b.session("shop")["sign_in"] != "customers" {
		t.Errorf("a browser is sent to the sign-in that is needed: %d %s", a.StatusCode, a.body)
	}
}

// A page of another site can't use the session of a browser.
func TestAPageOfAnotherSiteCantUseASession(t *testing.T) {
	s := startSignIns(t)
	b := s.browser("alice")
	b.signIn("app")
	app := s.site("app")
	hits := s.upstream.count()
	for name, c := range map[string]struct {
		method string
		status int
		header []string
	}{
		"same origin":                    {"POST", 200, []string{"Sec-Fetch-Site", "same-origin"}},
		"another site":                   {"POST", 403, []string{"Sec-Fetch-Site", "cross-site"}},
		"another host of the same site":  {"POST", 403, []string{"Sec-Fetch-Site", "same-site"}},
		"typed by the person":            {"DELETE", 403, []string{"Sec-Fetch-Site", "none"}},
		"twice":                          {"POST", 403, []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "same-origin"}},
		"Sec-Fetch-Site decides":         {"POST", 403, []string{"Sec-Fetch-Site", "cross-site", "Origin", app}},
		"Origin":                         {"PUT", 200, []string{"Origin", app}},
		"another Origin":                 {"PUT", 403, []string{"Origin", "https://evil.example.com"}},
		"Origin with another scheme":     {"PUT", 403, []string{"Origin", strings.Replace(app, "https", "http", 1)}},
		"Origin null":                    {"PATCH", 403, []string{"Origin", "null"}},
		"neither":                        {"POST", 403, nil},
		"a safe method":                  {"GET", 200, []string{"Sec-Fetch-Site", "cross-site"}},
		"upgrade from another site":      {"GET", 403, []string{"Connection", "Upgrade", "Upgrade", "websocket", "Origin", "https://evil.example.com"}},
		"upgrade from who knows where":   {"GET", 403, []string{"Connection", "Upgrade", "Upgrade", "websocket"}},
		"a form that a person would see": {"POST", 403, append([]string{"Sec-Fetch-Site", "cross-site"}, asNavigation...)},
	} {
		a := b.still().ask(c.method, app+"/x", "", c.header...)
		if a.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		if page := strings.Contains(a.Header.Get("Content-Type"), "html"); c.status == 403 && page != strings.Contains(name, "person would see") || !page && c.status == 403 && a.problem() != "urn:curfew:cross-site" {
			t.Errorf("%s: %s %s", name, a.Header.Get("Content-Type"), a.body)
		}
		if c.status == 200 {
			hits++
		}
	}
	if s.upstream.count() != hits {
		t.Errorf("the upstream was asked %d times, want %d", s.upstream.count(), hits)
	}
}

// Authorization is the application's where a guard takes sessions alone; where it
// takes tokens too, there must be one credential.
func TestASessionBesideOtherCredentials(t *testing.T) {
	s := startSignIns(t)
	b := s.browser("alice")
	b.signIn("app")
	app := s.site("app")
	for _, value := range []string{"Basic YTpi", "Bearer " + s.token("bob"), "Bearer garbage", "DPoP x"} {
		a := b.script("GET", app+"/x?access_token=theirs", "", "Authorization", value, "Dpop", "proof")
		if got := s.upstream.header("Authorization"); a.StatusCode != 200 || len(got) != 1 || got[0] != value {
			t.Errorf("%s: %d, and the upstream gets %q", value, a.StatusCode, got)
		}
		if got := s.upstream.header("Dpop"); len(got) != 1 {
			t.Errorf("%s: the upstream gets no proof: %q", value, got)
		}
		if got := s.upstream.header("Curfew-Subject"); len(got) != 1 || got[0] != "alice" {
			t.Errorf("%s: it is %q", value, got)
		}
		if a := s.browser("bob").script("GET", app+"/x", "", "Authorization", value); a.StatusCode != 401 {
			t.Errorf("%s without a session: %d", value, a.StatusCode)
		}
	}
	s.loadSignIns("OPTIONS", "token_from header")
	bearer := "Bearer " + s.token("bob")
	for name, c := range map[string]struct {
		who    *tab
		header string
		status int
	}{
		"a session":              {b, "", 200},
		"a session beside Basic": {b, "Basic YTpi", 200},
		"a token":                {s.browser("bob"), bearer, 200},
		"both":                   {b, bearer, 400},
		"a session and garbage":  {b, "Bearer garbage", 400},
		"garbage":                {s.browser("bob"), "Bearer garbage", 401},
		"nothing":                {s.browser("bob"), "", 401},
	} {
		var header []string
		if c.header != "" {
			header = []string{"Authorization", c.header}
		}
		if a := c.who.script("GET", app+"/x", "", header...); a.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	damaged := s.browser("bob")
	damaged.setCookie("app", sessionCookie, "damaged")
	if a := damaged.script("GET", app+"/x", "", "Authorization", bearer); a.StatusCode != 200 {
		t.Errorf("a token beside a damaged session: %d", a.StatusCode)
	}
}

// Our cookies reach no upstream, not by any route, and no upstream sets one.
func TestOurCookiesAreOurs(t *testing.T) {
	s := prepareSignIns(t)
	special := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = []string{"__Host-curfew=evil; Path=/; Secure", "theirs=2; Path=/", "__host-curfew-device=evil", "curfew-dev=evil", "__Host-curfew-attempt=evil"}
		if r.URL.Path == "/public/early" {
			w.WriteHeader(http.StatusEarlyHints)
		}
		_, _ = io.WriteString(w, strings.Join(r.Header["Cookie"], "|"))
	}))
	t.Cleanup(special.Close)
	s.loadSignIns("MORE", `
		handle_errors {
			reverse_proxy `+special.Listener.Addr().String()+`
		}
		handle /public/broken {
			error 502
		}
		handle /private/broken {
			curfew {
				session staff
			}
			error 502
		}
		handle /public/* {
			reverse_proxy `+special.Listener.Addr().String()+`
		}
		handle /private/refused {
			curfew {
				session staff
				scope other
				refusal handle_errors
			}
			respond ok
		}
		handle /private/* {
			curfew {
				session staff
			}
			reverse_proxy `+special.Listener.Addr().String()+`
		}
		@signs path /.curfew/*`)
	s.awaitReady()
	b := s.browser("alice")
	b.setCookie("app", "theirs", "1")
	b.signIn("app")
	for _, path := range []string{
		"/public/a", "/public/early", "/public/broken", "/private/a", "/private/broken", "/private/refused", "/.CURFEW/session", "/public/.curfew/x",
	} {
		before := b.cookies("app")
		a := b.script("GET", s.site("app")+path, "")
		if strings.HasPrefix(path, "/.") {
			if got := s.upstream.header("Cookie"); a.StatusCode != 200 || len(got) != 1 || got[0] != "theirs=1" && got[0] != "theirs=2" {
				t.Errorf("%s: %d, the upstream got %q", path, a.StatusCode, got)
			}
			continue
		}
		if a.body != "theirs=1" && a.body != "theirs=2" {
			t.Errorf("%s: %d, the upstream got %q", path, a.StatusCode, a.body)
		}
		if set := a.Header["Set-Cookie"]; len(set) != 1 || set[0] != "theirs=2; Path=/" {
			t.Errorf("%s: the browser got %q", path, set)
		}
		if after := b.cookies("app"); after[sessionCookie] != before[sessionCookie] || after["theirs"] != "2" {
			t.Errorf("%s: the cookies have changed: %v", path, after["theirs"])
		}
	}
	if b.session("app")["authenticated"] != true {
		t.Error("the session is gone")
	}
	if strings.Contains(s.upstream.dump(), "__Host-") {
		t.Errorf("the upstream got\n%s", s.upstream.dump())
	}
}

// /.curfew/ is compared byte for byte with the path as it was sent, and nothing under
// it reaches an upstream.
func TestThePathsOfASignInAreOurs(t *testing.T) {
	s := startSignIns(t, "MORE", "try_files {path} /index.html\nrewrite /old/* /.curfew/session\nredir /.curfew/style.css /elsewhere\nheader /.curfew/* X-Ours no")
	b := s.browser("alice")
	app := s.site("app")
	b.signIn("app")
	hits := s.upstream.count()
	for path, status := range map[string]int{
		"/.curfew/": 404, "/.curfew/unknown": 404, "/.curfew/callback": 404, "/.curfew/callback/customers": 404, "/.curfew/session/": 404,
		"/.curfew//session": 404, "/.curfew/session": 200, "/.curfew/style.css": 200, "/.curfew/SESSION": 404, "/.curfew/%73ession": 404,
		"/.curfew/x/../session": 404,
	} {
		if a := b.script("GET", app+path, ""); a.StatusCode != status {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	if s.upstream.count() != hits {
		t.Errorf("the upstream got\n%s", s.upstream.dump())
	}
	for _, path := range []string{"/.CURFEW/session", "/.curfew%2fsession", "/%2ecurfew/session", "/.curfew", "/old/x", "//.curfew/session", "/x/../.curfew/session"} {
		if a := s.browser("bob").script("GET", app+path, ""); a.StatusCode != 401 {
			t.Errorf("%s passes the guard: %d %s", path, a.StatusCode, a.body)
		}
		a := b.script("GET", app+path, "")
		if hits++; a.body != "upstream" || s.upstream.count() != hits {
			t.Errorf("%s is an ordinary path: %d %s", path, a.StatusCode, a.body)
		}
	}
}

// What was sealed for one host can't be used at another, and a stranger's Host
// decides nothing.
func TestACallbackOfAnotherHost(t *testing.T) {
	s := startSignIns(t)
	b := s.browser("alice")
	at := b.still().open(s.site("app") + "/deep").Header.Get("Location") // to the provider
	back := b.still().open(at).Header.Get("Location")                    // to the callback
	other := strings.Replace(back, "app.example.com", "wiki.example.com", 1)
	if a := b.still().open(other); a.StatusCode != 400 || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("the state of app at wiki: %d %v", a.StatusCode, a.Header)
	}
	if a := s.browser("alice").still().open(back); a.StatusCode != 400 {
		t.Errorf("another browser: %d", a.StatusCode)
	}
	for _, method := range []string{"POST", "HEAD", "PUT"} {
		if a := b.still().ask(method, back, "", "Sec-Fetch-Site", "same-origin"); a.StatusCode != 405 {
			t.Errorf("%s: %d", method, a.StatusCode)
		}
	}
	if a := b.still().open(back); a.StatusCode != 303 || a.Header.Get("Location") != "/deep" {
		t.Errorf("the browser itself: %d %v", a.StatusCode, a.Header)
	}
	if a := b.still().open(back); a.StatusCode != 303 || a.Header.Get("Location") != "/deep" {
		t.Errorf("the same once more, with a good session: %d %s", a.StatusCode, a.body)
	}
}

func TestAForeignHostOnACatchAll(t *testing.T) {
	s := prepareSignIns(t)
	global, sites := s.texts("SIGNIN", "callback https://auth.example.com:"+s.port+" app.example.com wiki.example.com",
		"https://app.example.com:APPPORT", "https://:APPPORT", "https://wiki.example.com:APPPORT", "https://auth.example.com:APPPORT",
		"curfew_sign_in staff customers", "curfew_sign_in customers", "session customers staff", "session customers",
		"http://localhost:HTTPPORT {\n\tcurfew_sign_in staff\n\tcurfew {\n\t\tsession staff\n\t}", "http://localhost:HTTPPORT {")
	s.load(global, sites)
	s.awaitReady()
	b := s.browser("alice")
	for _, host := range []string{"evil.example.com", "app.example.com.evil.com", "auth.example.com.", "127.0.0.1"} {
		a := b.still().open(s.site("app")+"/deep", "Host", host)
		if a.StatusCode != 400 || strings.Contains(a.Header.Get("Location"), host) {
			t.Errorf("%s: %d %v", host, a.StatusCode, a.Header)
		}
	}
	b.signIn("app")
	if got := b.cookies("auth"); got["__Host-curfew-device"] == "" || got[sessionCookie] != "" {
		t.Errorf("the callback's host keeps %v", got)
	}
	if got := b.cookies("app"); got["__Host-curfew-device"] != "" || got[sessionCookie] == "" {
		t.Errorf("the app keeps %v", got)
	}
	device := s.upstream.header("Curfew-Device")
	b.signIn("wiki") // through the catch-all too
	if again := s.upstream.header("Curfew-Device"); len(device) != 1 || len(again) != 1 || again[0] != device[0] {
		t.Errorf("one browser is two devices: %v, %v", device, again)
	}
}

// Twenty restored tabs show their twenty pages with one session.
func TestTwentyRestoredTabs(t *testing.T) {
	s := startSignIns(t)
	b := s.browser("alice")
	var tabs sync.WaitGroup
	var callbacks [20]string
	for n := range callbacks {
		tabs.Go(func() {
			to := b.still().open(s.site("app") + fmt.Sprintf("/tab/%d?x=1", n)).Header.Get("Location")
			callbacks[n] = b.still().open(to).Header.Get("Location")
		})
	}
	tabs.Wait()
	for n, callback := range callbacks {
		tabs.Go(func() {
			path := fmt.Sprintf("/tab/%d?x=1", n)
			if a := b.open(callback); a.StatusCode != 200 || a.body != "upstream" || a.Request.URL.RequestURI() != path {
				t.Errorf("%s: %d at %s %s", path, a.StatusCode, a.Request.URL.Path, a.body)
			}
		})
	}
	tabs.Wait()
	if b.session("app")["authenticated"] != true {
		t.Error("nobody is signed in")
	}
	if n := grep(fetch(t, s.health+"/metrics"), `curfew_sign_ins_total{result="ok",sign_in="staff"}`); number(n) != 1 {
		t.Errorf("%s, want one session", n)
	}
}

// No log has a cookie of ours, a code or a state. Every request has its line.
func TestNoLogHasWhatSignsIn(t *testing.T) {
	s := prepareSignIns(t)
	s.logTo = filepath.Join(t.TempDir(), "log.json")
	s.loadSignIns("SIGNIN", "callback https://wiki.example.com:"+s.port+" app.example.com wiki.example.com",
		"https://wiki.example.com:APPPORT {", "https://wiki.example.com:APPPORT {\n\tlog",
		"MORE", "curfew_sign_in staff", "curfew_sign_in staff customers", "curfew_sign_in customers", "session customers staff", "session customers",
		"http://localhost:HTTPPORT {\n\tcurfew_sign_in staff\n\tcurfew {\n\t\tsession staff\n\t}", "http://localhost:HTTPPORT {")
	s.awaitReady()
	b := s.browser("alice")
	at := b.still().open(s.site("app") + "/deep").Header.Get("Location")
	callback := b.still().open(at).Header.Get("Location")
	relayed := b.still().open(callback).Header.Get("Location")
	if !strings.HasPrefix(relayed, s.site("app")+"/.curfew/finish?") {
		t.Fatalf("relayed to %s", relayed)
	}
	finished := b.still().open(relayed)
	if finished.StatusCode != 303 || finished.Header.Get("Location") != "/deep" {
		t.Fatalf("%d %v", finished.StatusCode, finished.Header)
	}
	b.open(s.site("app")+"/deep", "Referer", relayed)
	b.open(s.site("app")+"/.curfew/style.css", "Referer", callback)
	b.open(s.site("app")+"/broken", "Referer", relayed)
	b.signIn("wiki")
	cookies := b.cookies("app")
	b.script("POST", s.site("app")+"/.curfew/sign-out", "")
	s.stop()
	text := readFile(t, s.logTo)
	secrets := map[string]string{"the session": cookies[sessionCookie], "the attempt": cookies["__Host-curfew-attempt"], "the device": b.cookies("wiki")["__Host-curfew-device"]}
	for _, address := range []string{callback, relayed} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"code", "state", "device"} {
			if value := u.Query().Get(name); value != "" {
				secrets[name+" of "+u.Path] = value
			}
		}
	}
	for name, secret := range secrets {
		if secret == "" || name != "state of /.curfew/callback/staff" && name != "state of /.curfew/finish" && strings.Contains(text, secret) {
			t.Errorf("the log has %s", name)
		}
	}
	lines := make(map[string]int)
	for _, line := range logged(t, s.logTo, "handled request") {
		request := line["request"].(map[string]any)
		uri := request["uri"].(string)
		lines[uri]++
		if strings.HasPrefix(uri, "/.curfew/callback/") || strings.HasPrefix(uri, "/.curfew/finish") {
			if line["status"] != float64(303) || line["logger"] == nil || request["host"] == "" {
				t.Errorf("%v", line)
			}
		}
	}
	for uri, n := range map[string]int{"/.curfew/callback/staff": 2, "/.curfew/finish": 2, "/deep": 2, "/broken": 1, "/.curfew/style.css": 1, "/.curfew/sign-out": 1} {
		if lines[uri] != n {
			t.Errorf("%s has %d lines, want %d: %v", uri, lines[uri], n, lines)
		}
	}
}
