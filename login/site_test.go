package login

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

func TestPathsAreComparedByteForByte(t *testing.T) {
	w := newWorld(t)
	b, _ := w.signedIn("alice")
	w.upstreams = 0
	for path, status := range map[string]int{
		"/.curfew/": 404, "/.curfew/unknown": 404, "/.curfew/sign-in/": 404, "/.curfew/callback": 404, "/.curfew/callback/": 404, "/.curfew/callback/nobody": 404,
		"/.curfew/callback%2fstaff": 404, "/.curfew/session%20": 404, "/.curfew/./session": 404, "/.curfew//session": 404, "/.curfew/Session": 404,
		"/.curfew/session": 200,
	} {
		if p := b.step(app + path); p.status != status {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	if w.upstreams != 0 {
		t.Errorf("the upstream was asked %d times", w.upstreams)
	}
	// These are pages of the application.
	for _, path := range []string{"/.CURFEW/session", "/.curfew%2fcallback/staff", "/%2ecurfew/session", "/.curfew", "/x/.curfew/session", "//.curfew/session"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if Serves(r) {
			t.Errorf("%s is ours", path)
		}
	}
}

func TestAMethodThatAPathDoesNotHaveIsRefused(t *testing.T) {
	w := newWorld(t)
	b, _ := w.signedIn("alice")
	for path, allow := range map[string]string{"session": "GET", "sign-in": "GET", "sign-out": "GET, POST", "signed-out": "GET", "finish": "GET"} {
		if p := b.do(http.MethodDelete, app+"/.curfew/"+path, nil); p.status != http.StatusMethodNotAllowed || p.header.Get("Allow") != allow || p.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q", path, p.status, p.header.Get("Allow"))
		}
	}
}

func TestANodeThatIsNotReadyDecidesNothing(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	callback := b.stepTo(app + "/")
	w.notReady = true
	for _, path := range []string{"/.curfew/session", "/.curfew/sign-in", "/.curfew/sign-out", "/.curfew/signed-out"} {
		if p := b.step(app + path); p.status != http.StatusServiceUnavailable || p.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	if p := b.step(callback); p.status != http.StatusServiceUnavailable {
		t.Errorf("callback: %d", p.status)
	}
	w.notReady = false
	if p := b.step(callback); p.status != http.StatusSeeOther {
		t.Errorf("the callback was spent: %d", p.status)
	}
}

func TestEarlyDataIsRefused(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	if p := b.step(b.stepTo(app+"/"), "Early-Data", "1"); p.status != http.StatusTooEarly {
		t.Errorf("got %d", p.status)
	}
}

func TestSessionTellsWhoIsSignedIn(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	tell := func(header ...string) (int, map[string]any) {
		t.Helper()
		p := b.do(http.MethodGet, app+"/.curfew/session", nil, header...)
		var got map[string]any
		_ = json.Unmarshal([]byte(p.body), &got)
		return p.status, got
	}
	if status, got := tell(); status != 200 || len(got) != 1 || got["authenticated"] != false {
		t.Errorf("without a session: %d %v", status, got)
	}
	b.wantSignedIn(app + "/")
	w.advance(DefaultIdle / 2)
	status, got := tell("Sec-Fetch-Site", "same-origin")
	want := map[string]any{
		"authenticated": true, "issuer": providerURL, "subject": "alice", "name": "Person alice", "client_id": "curfew-web", "sign_in": "staff", "acr": "pwd",
		"auth_time": float64(w.now().Add(-DefaultIdle / 2).Unix()), "expires_at": float64(w.now().Add(DefaultLifetime - DefaultIdle/2).Unix()),
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	if status != 200 || len(got) != len(want) {
		t.Errorf("got %d %v", status, got)
	}
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "http://app.example.com"},
	} {
		if status, got := tell(header...); status != http.StatusForbidden || got != nil {
			t.Errorf("%v: %d %v", header, status, got)
		}
	}
	// It is no use of the session.
	w.advance(DefaultIdle / 2)
	if _, got := tell(); got["authenticated"] != false {
		t.Error("asking kept the session")
	}
	b.wantSignedIn(app + "/")
	w.advance(5 * time.Second)
	w.cut(revocation.Target{Issuer: providerURL, Subject: "alice"})
	if _, got := tell(); got["authenticated"] != false || len(got) != 1 {
		t.Errorf("after a cut: %v", got)
	}
}

func TestSignOutSignsTheBrowserOutOfAllHosts(t *testing.T) {
	w := newWorld(t, withCallback)
	b := w.browser("alice")
	other := w.browser("alice")
	for _, at := range []string{app, wiki} {
		b.wantSignedIn(at + "/")
		other.wantSignedIn(at + "/")
	}
	w.advance(time.Minute)
	p := b.open(app + "/.curfew/sign-out?return=/later")
	p.want(t, 200, PageSignOut)
	if b.id() == "" || w.cuts() != 0 {
		t.Error("a GET signs out")
	}
	p = b.post(app+"/.curfew/sign-out", url.Values{"return": {"/later"}})
	p.want(t, 200, PageSignedOut)
	var shown Page
	if err := json.Unmarshal([]byte(p.body), &shown); err != nil {
		t.Fatal(err)
	}
	if shown.Form == nil || shown.Form.Action != providerURL+"/logout" || shown.Link != "/.curfew/sign-in?return=%2Flater" ||
		!slices.Contains(shown.Form.Fields, Param{"post_logout_redirect_uri", "https://auth.example.com/.curfew/signed-out"}) ||
		!slices.Contains(shown.Form.Fields, Param{"client_id", "curfew-web"}) {
		t.Errorf("the form is %s", p.body)
	}
	if b.cookie(app, secureCookies.Session) != "" {
		t.Error("the cookie stays")
	}
	if len(w.drafts) != 1 || w.drafts[0].Target.Device == "" || w.drafts[0].Target.Client != "curfew-web" || w.drafts[0].Target.Subject != "alice" {
		t.Errorf("cut %+v", w.drafts)
	}
	if p := b.step(wiki + "/"); p.status != http.StatusSeeOther {
		t.Errorf("the other host: %d", p.status)
	}
	for _, at := range []string{app, wiki} {
		if p := other.step(at + "/"); p.status != http.StatusOK {
			t.Errorf("another browser at %s: %d", at, p.status)
		}
	}
	// And in again.
	b.wantSignedIn(app + "/")
}

func TestSignOutOfOneHostLeavesTheOthers(t *testing.T) {
	w := newWorld(t, withCallback)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	b.wantSignedIn("https://wiki.example.com/")
	id := b.id()
	if p := b.post(app+"/.curfew/sign-out", url.Values{"scope": {"host"}}); p.status != 200 {
		t.Fatalf("got %d", p.status)
	}
	if w.drafts[0].Target != (revocation.Target{Issuer: providerURL, TokenID: id}) {
		t.Errorf("cut %+v", w.drafts)
	}
	if p := b.step("https://wiki.example.com/"); p.status != 200 {
		t.Errorf("the other host: %d", p.status)
	}
}

func TestASignOutThatIsNotDurableChangesNothing(t *testing.T) {
	w := newWorld(t)
	b, _ := w.signedIn("alice")
	w.noLedger = true
	p := b.post(app+"/.curfew/sign-out", nil)
	p.want(t, http.StatusServiceUnavailable, PageNotDurable)
	if p.header.Get("Set-Cookie") != "" || b.id() == "" || p.header.Get("Retry-After") == "" {
		t.Errorf("the cookie went: %v", p.header)
	}
}

// B8.
func TestNoOtherPageCanSignABrowserOut(t *testing.T) {
	w := newWorld(t)
	b, _ := w.signedIn("alice")
	for name, header := range map[string][]string{
		"cross-site": {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, "sibling": {"Sec-Fetch-Site", "same-site"},
		"none": {"Sec-Fetch-Site", "none"}, "origin null": {"Origin", "null"}, "another origin": {"Origin", "https://evil.example"},
		"http origin": {"Origin", "http://app.example.com"}, "neither": nil, "two": {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "same-origin"},
		"fetch site wins": {"Sec-Fetch-Site", "cross-site", "Origin", app},
	} {
		p := b.do(http.MethodPost, app+"/.curfew/sign-out", strings.NewReader(""), header...)
		if p.status != http.StatusForbidden || p.kind() != PageCrossSite {
			t.Errorf("%s: %d", name, p.status)
		}
	}
	if b.id() == "" || w.cuts() != 0 {
		t.Error("signed out")
	}
	if p := b.do(http.MethodPost, app+"/.curfew/sign-out", strings.NewReader(""), "Origin", app); p.status != 200 || b.id() != "" {
		t.Errorf("by Origin: %d", p.status)
	}
}

func TestSignOutWhereNobodyIsSignedIn(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	if p := b.open(app + "/.curfew/sign-out"); p.kind() != PageSignedOut {
		t.Errorf("got %d %s", p.status, p.body)
	}
	b.post(app+"/.curfew/sign-out", nil).want(t, 200, PageSignedOut)
	if w.cuts() != 0 {
		t.Error("a cut of nobody")
	}
}

func TestALocalSignOutLeavesTheProviderAlone(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.LocalSignOut, c.SignedOutURL = true, "https://www.example.com/bye" })
	b, _ := w.signedIn("alice")
	stopped := *b.Client
	stopped.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.Client = &stopped
	var asks Page
	if p := b.open(app + "/.curfew/sign-out?return=/deep"); json.Unmarshal([]byte(p.body), &asks) != nil || asks.Link != "/deep" || !asks.Form.Away {
		t.Errorf("a browser must let the form lead away, and the person stay: %+v", p)
	}
	if p := b.post(app+"/.curfew/sign-out", nil); p.status != http.StatusSeeOther || p.header.Get("Location") != "https://www.example.com/bye" {
		t.Errorf("got %d %v", p.status, p.header)
	}
}

func TestASiteWithSeveralSignInsLetsThePersonChoose(t *testing.T) {
	w := newWorld(t)
	g := w.sites[appHost]
	g.takes = []*SignIn{w.all.Named("staff"), w.all.Named("customers")}
	b := w.browser("alice")
	p := b.open(app + "/deep?a=1")
	p.want(t, 200, PageChoose)
	var shown Page
	if err := json.Unmarshal([]byte(p.body), &shown); err != nil {
		t.Fatal(err)
	}
	if len(shown.Choices) != 2 || shown.Choices[0].Title != "Staff" || shown.Choices[1].Title != "customers" {
		t.Fatalf("got %+v", shown)
	}
	if p := b.open(app + shown.Choices[1].Link); p.body != "/deep?a=1 for alice" {
		t.Errorf("got %d %s", p.status, p.body)
	}
	s, _, _ := w.all.Open(b.cookie(app, secureCookies.Session), appHost, w.now())
	if s.SignIn().Name() != "customers" {
		t.Errorf("signed in by %s", s.SignIn().Name())
	}
	b.open(app+"/.curfew/sign-in?name=nobody").want(t, 404, PageUnknown)
}

func TestALinkOfAnotherSiteBesideAGoodSessionAsksFirst(t *testing.T) {
	w := newWorld(t)
	b, _ := w.signedIn("alice")
	at := app + "/.curfew/sign-in?name=staff&prompt=login"
	p := b.step(at, "Sec-Fetch-Site", "cross-site")
	p.want(t, 200, PageContinue)
	var shown Page
	_ = json.Unmarshal([]byte(p.body), &shown)
	if p := b.step(resolve(t, at, shown.Link), "Sec-Fetch-Site", "same-origin"); p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), providerURL) {
		t.Errorf("the button leads to %d %v", p.status, p.header)
	}
	// Without a session there is nothing to lose.
	if p := w.browser("bob").step(at, "Sec-Fetch-Site", "cross-site"); p.status != http.StatusSeeOther {
		t.Errorf("without a session: %d", p.status)
	}
}

func TestASignInLinkOnlyAsksForMore(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	for query, want := range map[string]url.Values{
		"":                          {"max_age": {"43200"}},
		"max_age=0":                 {"max_age": {"0"}, "prompt": {"login"}},
		"max_age=99999999":          {"max_age": {"43200"}},
		"prompt=login":              {"max_age": {"0"}, "prompt": {"login"}},
		"prompt=select_account":     {"prompt": {"select_account"}, "max_age": {"43200"}},
		"acr_values=phr+mfa":        {"acr_values": {"phr mfa"}},
		"acr_values=a&max_age=60":   {"acr_values": {"a"}, "max_age": {"60"}},
		"scope=x&client_id=y&foo=z": {"scope": {"openid profile"}, "client_id": {"curfew-web"}, "foo": nil},
	} {
		p := b.step(app + "/.curfew/sign-in?name=staff&" + query)
		if p.status != http.StatusSeeOther {
			t.Errorf("%s: %d", query, p.status)
			continue
		}
		for name, values := range want {
			if got := param(t, p.header.Get("Location"), name); got != strings.Join(values, "") {
				t.Errorf("%s: %s is %q", query, name, got)
			}
		}
	}
	for _, query := range []string{"prompt=none", "prompt=login&prompt=login", "max_age=-1", "max_age=x", "max_age=", "acr_values=%22", "return=/&return=/", "a=1;b=2", "acr_values=" + strings.Repeat("a+", 20)} {
		if p := b.step(app + "/.curfew/sign-in?name=staff&" + query); p.status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, p.status)
		}
	}
}

func TestWhatIsNoNavigationGetsAProblemThatNamesTheSignIn(t *testing.T) {
	w := newWorld(t)
	w.sites[appHost].required.ACR = [][]string{{"mfa"}}
	age := 5 * time.Minute
	w.sites[appHost].required.MaxAge = &age
	b := w.browser("alice")
	for name, header := range map[string][]string{
		"fetch":     {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"frame":     {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
		"prefetch":  {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Purpose", "prefetch"},
		"prerender": {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Purpose", "prefetch;prerender"},
		"image":     {"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Accept", "text/html"},
		"a program": {"Accept", "*/*"},
	} {
		p := b.do(http.MethodGet, app+"/", nil, header...)
		if p.status != http.StatusUnauthorized || !strings.Contains(p.body, `"sign_in":"/.curfew/sign-in?acr_values=mfa\u0026max_age=300"`) &&
			!strings.Contains(p.body, `"sign_in":"/.curfew/sign-in?acr_values=mfa&max_age=300"`) {
			t.Errorf("%s: %d %s", name, p.status, p.body)
		}
	}
	if p := b.step(app+"/", "Sec-Fetch-Site", "none"); p.status != http.StatusSeeOther {
		t.Errorf("a navigation: %d", p.status)
	}
	old := w.browser("bob")
	stopped := *old.Client
	stopped.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	old.Client = &stopped
	if p := old.do(http.MethodGet, app+"/", nil, "Accept", "text/html,*/*"); p.status != http.StatusSeeOther {
		t.Errorf("a browser without Sec-Fetch: %d", p.status)
	}
	if p := old.do(http.MethodHead, app+"/", nil, asNavigation...); p.status != http.StatusUnauthorized {
		t.Errorf("HEAD: %d", p.status)
	}
}

func TestAFormThatComesTooLateSaysThatNothingWasSent(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	p := b.do(http.MethodPost, app+"/save", strings.NewReader("text=long"), slices.Concat(asNavigation, []string{"Referer", app + "/edit?id=7"})...)
	p.want(t, http.StatusUnauthorized, PageNothingSent)
	var shown Page
	_ = json.Unmarshal([]byte(p.body), &shown)
	if shown.Link != "/.curfew/sign-in?name=staff&return=%2Fedit%3Fid%3D7" {
		t.Errorf("it leads to %s", shown.Link)
	}
	if w.upstreams != 0 {
		t.Error("the upstream was asked")
	}
}

// B7: what strangers chose is data on a page, and never in its address.
func TestNothingOfAStrangerIsInALink(t *testing.T) {
	const canary = `"><script>alert(1)</script>`
	w := newWorld(t)
	w.provider.claims = tokentest.Claims{"name": canary}
	b := w.browser("alice")
	callback := b.stepTo(app + "/" + url.PathEscape(canary))
	for _, at := range []string{
		callback + "&error=" + url.QueryEscape(canary), callback + "&error_description=" + url.QueryEscape(canary),
		app + "/.curfew/sign-in?prompt=" + url.QueryEscape(canary), app + "/.curfew/" + url.PathEscape(canary), app + "/.curfew/signed-out?state=" + url.QueryEscape(canary),
		app + "/.curfew/sign-in?return=" + url.QueryEscape("/"+canary),
	} {
		p := b.step(at)
		var shown Page
		_ = json.Unmarshal([]byte(p.body), &shown)
		if strings.ContainsAny(shown.Link, `<>"`) || strings.Contains(shown.Link, "alert(1)</script") {
			t.Errorf("%s: %s", at, shown.Link)
		}
	}
	if strings.Contains(w.log.String(), "script") {
		t.Errorf("logged %s", w.log)
	}
}

func TestOverPlainHTTPOnlyThisMachineSignsIn(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	p := b.open("http://localhost/deep")
	if p.body != "/deep for alice" {
		t.Fatalf("got %d %s", p.status, p.body)
	}
	if b.cookie("http://localhost/", "curfew-dev") == "" || b.cookie("http://localhost/", secureCookies.Session) != "" {
		t.Error("the cookie has another name")
	}
	b.open("http://app.example.com/").want(t, 400, PageInsecure)
	b.open("http://app.example.com/.curfew/sign-in").want(t, 400, PageInsecure)
}

// A foreign Host on a catch-all site.
func TestAHostThatIsNotConfiguredDoesNotSignIn(t *testing.T) {
	w := newWorld(t)
	w.sites["evil.example"] = w.sites[appHost]
	b := w.browser("alice")
	b.open("https://evil.example/").want(t, 400, PageUnknown)
	b.open("https://evil.example/.curfew/sign-in?name=staff").want(t, 400, PageUnknown)
	for _, q := range w.provider.asked {
		t.Errorf("the provider was asked for %s", q.Get("redirect_uri"))
	}
}
