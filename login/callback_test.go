package login

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

func withCallback(c *Config) {
	c.Callback = &Callback{Origin: "https://auth.example.com", Hosts: []string{"app.example.com", "wiki.example.com"}}
}

// change changes one parameter of an address; no values remove it.
func change(t testing.TB, address, name string, values ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Del(name)
	for _, v := range values {
		q.Add(name, v)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func param(t testing.TB, address, name string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get(name)
}

// B4, and the table of section 16.
func TestACallbackThatFitsNoAttemptOfThisBrowserIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		arrive func(b *browser, callback string) page
		status int
		kind   PageKind
	}{
		"another browser": {func(b *browser, callback string) page { return b.w.browser("mallory").step(callback) }, 400, PageStartAgain},
		"another browser that signs in itself": {func(b *browser, callback string) page {
			other := b.w.browser("mallory")
			other.stepTo(app + "/")
			return other.step(callback)
		}, 400, PageStartAgain},
		"without the attempt cookie": {func(b *browser, callback string) page {
			b.setCookie(app, secureCookies.Attempt, "")
			return b.step(callback)
		}, 400, PageStartAgain},
		"state of host A at host B": {func(b *browser, callback string) page {
			b.setCookie("https://wiki.example.com", secureCookies.Attempt, b.cookie(app, secureCookies.Attempt))
			return b.step(strings.Replace(callback, "app.", "wiki.", 1))
		}, 400, PageStartAgain},
		"name of another sign-in": {func(b *browser, callback string) page {
			return b.step(strings.Replace(callback, "/staff", "/customers", 1))
		}, 400, PageStartAgain},
		"name of no sign-in": {func(b *browser, callback string) page {
			return b.step(strings.Replace(callback, "/staff", "/nobody", 1))
		}, 404, PageUnknown},
		"two codes":   {func(b *browser, callback string) page { return b.step(callback + "&code=x") }, 400, PageStartAgain},
		"two states":  {func(b *browser, callback string) page { return b.step(callback + "&state=x") }, 400, PageStartAgain},
		"two issuers": {func(b *browser, callback string) page { return b.step(callback + "&iss=x") }, 400, PageStartAgain},
		"no state": {func(b *browser, callback string) page {
			return b.step(change(b.t, callback, "state"))
		}, 400, PageStartAgain},
		"no code": {func(b *browser, callback string) page {
			return b.step(change(b.t, callback, "code"))
		}, 400, PageStartAgain},
		"no iss, though announced": {func(b *browser, callback string) page {
			return b.step(change(b.t, callback, "iss"))
		}, 400, PageStartAgain},
		"iss of another provider": {func(b *browser, callback string) page {
			return b.step(change(b.t, callback, "iss", "https://evil.example"))
		}, 400, PageStartAgain},
		"forged error without a state": {func(b *browser, callback string) page {
			return b.step(app + "/.curfew/callback/staff?error=access_denied")
		}, 400, PageStartAgain},
		"error of the provider": {func(b *browser, callback string) page {
			return b.step(change(b.t, change(b.t, callback, "code"), "error", "access_denied"))
		}, 403, PageDenied},
		"error that asks for patience": {func(b *browser, callback string) page {
			return b.step(change(b.t, change(b.t, callback, "code"), "error", "temporarily_unavailable"))
		}, 502, PageProvider},
		"error that says what is unmet": {func(b *browser, callback string) page {
			return b.step(change(b.t, change(b.t, callback, "code"), "error", "unmet_authentication_requirements"))
		}, 403, PageStepUpUnmet},
		"late": {func(b *browser, callback string) page {
			b.w.advance(attemptAge + time.Second)
			return b.step(callback)
		}, 400, PageStartAgain},
		"another browser's code": {func(b *browser, callback string) page {
			other := b.w.browser("mallory").stepTo(app + "/")
			return b.step(change(b.t, callback, "code", param(b.t, other, "code")))
		}, 502, PageProvider},
		"a code that nobody was given": {func(b *browser, callback string) page {
			return b.step(change(b.t, callback, "code", "x"))
		}, 502, PageProvider},
		"HEAD": {func(b *browser, callback string) page { return b.do(http.MethodHead, callback, nil) }, 405, ""},
		"POST": {func(b *browser, callback string) page { return b.post(callback, nil) }, 405, ""},
		"a host that is not configured": {func(b *browser, callback string) page {
			b.w.sites["evil.example"] = b.w.sites["app.example.com"]
			b.setCookie("https://evil.example", secureCookies.Attempt, b.cookie(app, secureCookies.Attempt))
			return b.step(strings.Replace(callback, "app.example.com", "evil.example", 1))
		}, 400, PageStartAgain},
		"plain http": {func(b *browser, callback string) page {
			return b.step(strings.Replace(callback, "https:", "http:", 1))
		}, 400, PageInsecure},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser("alice")
			p := tt.arrive(b, b.stepTo(app+"/deep?a=1"))
			p.want(t, tt.status, tt.kind)
			for _, set := range p.header["Set-Cookie"] {
				if strings.HasPrefix(set, secureCookies.Session+"=") && !strings.Contains(set, "Max-Age=0") {
					t.Errorf("a session was set: %s", set)
				}
			}
			if b.id() != "" {
				t.Error("the browser is signed in")
			}
		})
	}
}

// B9.
func TestACallbackThatComesTwiceIsRefusedOrKeepsTheSession(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	callback := b.stepTo(app + "/deep")
	if p := b.step(callback); p.header.Get("Location") != "/deep" {
		t.Fatalf("got %d %s", p.status, p.body)
	}
	id := b.id()
	// The back button: the session that it made is good.
	if p := b.step(callback); p.status != http.StatusSeeOther || p.header.Get("Location") != "/deep" || b.id() != id {
		t.Errorf("got %d, session %s", p.status, b.id())
	}
	b.setCookie(app, secureCookies.Session, "")
	b.step(callback).want(t, 400, PageStartAgain)
	if len(w.provider.forms) != 1 {
		t.Errorf("a code was sent %d times", len(w.provider.forms))
	}
}

func TestTheCallbackJudgesTheIDToken(t *testing.T) {
	now := time.Now().Unix()
	for name, tt := range map[string]struct {
		set    func(*fakeProvider)
		status int // of the page at which the browser ends; 200: signed in
		kind   PageKind
		tries  int
	}{
		"good":                    {func(*fakeProvider) {}, 200, "", 1},
		"no auth_time":            {func(p *fakeProvider) { p.noAuthTime = true }, 403, PageStepUpUnmet, 2},
		"auth_time as text":       {func(p *fakeProvider) { p.claims = tokentest.Claims{"auth_time": "1790000000"} }, 502, PageProvider, 1},
		"auth_time in ms":         {func(p *fakeProvider) { p.claims = tokentest.Claims{"auth_time": now * 1000} }, 403, PageStepUpUnmet, 2},
		"auth_time in the future": {func(p *fakeProvider) { p.claims = tokentest.Claims{"auth_time": now + 60} }, 403, PageStepUpUnmet, 2},
		"auth_time too old":       {func(p *fakeProvider) { p.claims = tokentest.Claims{"auth_time": now - 13*3600} }, 403, PageStepUpUnmet, 2},
		"clock 2 s ahead":         {func(p *fakeProvider) { p.behind = -2 * time.Second }, 200, "", 1},
		"clock 2 s behind":        {func(p *fakeProvider) { p.behind = 2 * time.Second }, 200, "", 1},
		"wrong nonce":             {func(p *fakeProvider) { p.claims = tokentest.Claims{"nonce": "x"} }, 400, PageStartAgain, 1},
		"no nonce":                {func(p *fakeProvider) { p.claims = tokentest.Claims{"nonce": nil} }, 400, PageStartAgain, 1},
		"another client (K10)":    {func(p *fakeProvider) { p.claims = tokentest.Claims{"aud": "other"} }, 502, PageProvider, 1},
		"azp of another client":   {func(p *fakeProvider) { p.claims = tokentest.Claims{"azp": "other"} }, 502, PageProvider, 1},
		"two audiences, no azp": {func(p *fakeProvider) {
			p.claims = tokentest.Claims{"aud": []string{"curfew-web", "https://api.example.com"}}
		}, 502, PageProvider, 1},
		"two audiences and azp": {func(p *fakeProvider) {
			p.claims = tokentest.Claims{"aud": []string{"curfew-web", "https://api.example.com"}, "azp": "curfew-web"}
		}, 200, "", 1},
		"an audience from nowhere": {func(p *fakeProvider) {
			p.claims = tokentest.Claims{"aud": []string{"curfew-web", "x"}, "azp": "curfew-web"}
		}, 502, PageProvider, 1},
		"another issuer":      {func(p *fakeProvider) { p.claims = tokentest.Claims{"iss": "https://evil.example"} }, 502, PageProvider, 1},
		"no sub":              {func(p *fakeProvider) { p.claims = tokentest.Claims{"sub": nil} }, 502, PageProvider, 1},
		"expired":             {func(p *fakeProvider) { p.claims = tokentest.Claims{"exp": now - 3, "iat": now - 300} }, 502, PageProvider, 1},
		"iat in the future":   {func(p *fakeProvider) { p.claims = tokentest.Claims{"iat": now + 60, "exp": now + 120} }, 502, PageProvider, 1},
		"it lives for a year": {func(p *fakeProvider) { p.claims = tokentest.Claims{"exp": now + 365*86400} }, 200, "", 1},
		"a logout token":      {func(p *fakeProvider) { p.claims = tokentest.Claims{"events": map[string]any{}} }, 502, PageProvider, 1},
		"no ID token":         {func(p *fakeProvider) { p.token = map[string]any{"id_token": nil} }, 502, PageProvider, 1},
		"an ID token of another key": {func(p *fakeProvider) {
			published := p.Key()
			p.Rotate(tokentest.NewKey(p.t, "key-2", "ES256"))
			p.Publish(published)
		}, 502, PageProvider, 1},
		"an error with a secret": {func(p *fakeProvider) {
			p.refuse = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"secret-of-the-provider"}`))
			}
		}, 502, PageProvider, 1},
		"HTML": {func(p *fakeProvider) {
			p.refuse = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>secret-of-the-provider")) }
		}, 502, PageProvider, 1},
		"a redirect of the token endpoint": {func(p *fakeProvider) {
			p.refuse = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://evil.example/", http.StatusTemporaryRedirect)
			}
		}, 502, PageProvider, 1},
		"pairwise subjects": {func(p *fakeProvider) { p.pairwise = true }, 200, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tt.set(w.provider)
			b := w.browser("alice")
			p := b.open(app + "/deep")
			if tt.status == 200 {
				if p.status != 200 || !strings.HasPrefix(p.body, "/deep for alice") {
					t.Errorf("got %d %s\n%s", p.status, p.body, w.log)
				}
			} else {
				p.want(t, tt.status, tt.kind)
			}
			if len(w.provider.asked) != tt.tries {
				t.Errorf("the provider was asked %d times", len(w.provider.asked))
			}
			if (b.id() != "") != (tt.status == 200) {
				t.Errorf("session %q", b.id())
			}
			for _, secret := range []string{"secret-of-the-provider", "refresh-secret", b.cookie(app, secureCookies.Attempt)} {
				if strings.Contains(w.log.String(), secret) || strings.Contains(p.body, secret) {
					t.Errorf("%q is told", secret)
				}
			}
		})
	}
}

// B3.
func TestEveryAttemptHasItsOwnChallengeAndNonce(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	for range 3 {
		b.stepTo(app + "/")
	}
	seen := make(map[string]bool)
	for _, q := range w.provider.asked {
		if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || q.Get("max_age") != "43200" ||
			q.Get("redirect_uri") != app+"/.curfew/callback/staff" || q.Get("scope") != "openid profile" || q.Get("response_type") != "code" {
			t.Errorf("asked %v", q)
		}
		for _, name := range []string{"code_challenge", "nonce", "state"} {
			if value := q.Get(name); seen[value] || len(value) < 22 {
				t.Errorf("%s %q", name, value)
			}
			seen[q.Get(name)] = true
		}
	}
}

func TestASignInWithTheProviderBehindEndsSignedIn(t *testing.T) {
	for name, behind := range map[string]time.Duration{"behind": skew, "ahead": -skew, "exact": 0} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.provider.behind = behind
			b := w.browser("alice")
			b.wantSignedIn(app + "/")
			w.advance(10 * time.Second)
			w.cut(revocation.Target{Issuer: providerURL, Subject: "alice"})
			b.wantSignedIn(app + "/again")
			if asked := w.provider.asked[len(w.provider.asked)-1]; asked.Get("prompt") != "login" || asked.Get("max_age") != "0" {
				t.Errorf("asked for %v", asked)
			}
			if w.waited > 2*skew+2*time.Second {
				t.Errorf("waited %s", w.waited)
			}
		})
	}
}

func TestAProviderThatIgnoresMaxAgeIsAskedOnceMore(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	id := b.id()
	w.provider.ignoresMaxAge = true
	w.advance(20 * time.Minute)
	before := len(w.provider.asked)
	age := time.Minute
	w.sites["app.example.com"].required.MaxAge = &age
	b.open(app+"/").want(t, http.StatusForbidden, PageStepUpUnmet)
	if n := len(w.provider.asked) - before; n != 2 {
		t.Errorf("asked %d times", n)
	}
	if b.id() != id || w.cuts() != 0 {
		t.Error("the old session was touched")
	}
}

// prompt=login can't be seen in an ID token; auth_time can.
func TestAProviderThatIgnoresPromptLoginIsNotBelieved(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	id := b.id()
	w.provider.ignoresMaxAge = true
	w.advance(20 * time.Minute)
	b.open(app+"/.curfew/sign-in?name=staff&prompt=login").want(t, http.StatusForbidden, PageStepUpUnmet)
	// The first try lacks the acr, and the second has it with the old auth_time.
	w.provider.steps, w.sites[appHost].required.ACR = map[string]string{"": "mfa"}, [][]string{{"mfa"}}
	w.provider.first = "pwd"
	b.open(app+"/").want(t, http.StatusForbidden, PageStepUpUnmet)
	if b.id() != id {
		t.Error("the session was touched")
	}
}

func TestWhereAProviderSendsNoAuthTimeTheLogHasTheMend(t *testing.T) {
	w := newWorld(t)
	w.provider.noAuthTime = true
	w.browser("alice").open(app + "/")
	if !strings.Contains(w.log.String(), "allow_no_auth_time") {
		t.Errorf("logged %s", w.log)
	}
	w = newWorld(t)
	w.provider.ignoresMaxAge, w.sites[appHost].required.ACR = true, [][]string{{"mfa"}}
	w.browser("alice").open(app + "/")
	if strings.Contains(w.log.String(), "allow_no_auth_time") {
		t.Errorf("logged %s", w.log)
	}
}

func TestMinutesAtTheMFAPageDoNotFailMaxAgeZero(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	w.advance(time.Minute)
	callback := b.stepTo(app + "/.curfew/sign-in?max_age=0&return=/sensitive")
	w.advance(3 * time.Minute)
	if p := b.step(callback); p.status != http.StatusSeeOther || p.header.Get("Location") != "/sensitive" {
		t.Errorf("got %d %s", p.status, p.body)
	}
	if len(w.provider.asked) != 2 {
		t.Errorf("asked %d times", len(w.provider.asked))
	}
}

// An attempt begins at a node whose clock is 10 s ahead of that of the node at
// which it ends.
func TestNodesWhoseClocksDifferSignIn(t *testing.T) {
	for _, apart := range []time.Duration{10 * time.Second, -10 * time.Second} {
		w := newWorld(t)
		b := w.browser("alice")
		w.provider.behind = apart // the clock of the second node is right
		callback := b.stepTo(app + "/.curfew/sign-in?name=staff&max_age=0&return=/x")
		w.advance(-apart)
		w.provider.behind = 0
		p := b.step(callback)
		for p.status == http.StatusSeeOther && p.header.Get("Location") != "/x" {
			p = b.step(p.header.Get("Location"))
		}
		if p.status != http.StatusSeeOther || b.id() == "" || len(w.provider.asked) > 2 {
			t.Errorf("%s: %d %s, asked %d times", apart, p.status, p.body, len(w.provider.asked))
		}
	}
}

// B2.
func TestAStepUpMakesANewSessionAndCutsTheOld(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	old, id := b.cookie(app, secureCookies.Session), b.id()
	w.sites["app.example.com"].required.ACR = [][]string{{"mfa"}}
	w.provider.acr = "mfa"
	b.wantSignedIn(app + "/sensitive")
	if asked := w.provider.asked[len(w.provider.asked)-1]; asked.Get("acr_values") != "mfa" {
		t.Errorf("asked for %v", asked)
	}
	if b.id() == id || b.id() == "" {
		t.Errorf("the session is %q again", b.id())
	}
	if w.cuts() != 1 || w.drafts[0].Target.TokenID != id || w.drafts[0].Mode != revocation.Final {
		t.Errorf("cuts: %+v", w.drafts)
	}
	// R5: the old cookie by hand.
	w.sites["app.example.com"].required.ACR = nil
	thief := w.browser("mallory")
	thief.setCookie(app, secureCookies.Session, old)
	if p := thief.step(app + "/"); p.status == http.StatusOK {
		t.Error("the old cookie is admitted")
	}
}

// Nobody knows at the beginning who will sign in, and so which step-ups hold.
func TestAStepUpOfAPersonIsAskedForAtTheSecondTry(t *testing.T) {
	for name, reached := range map[string]bool{"the provider can": true, "the provider can't": false} {
		w := newWorld(t)
		if err := w.submit(t.Context(), &revocation.Draft{
			Type: revocation.StepUp, Target: revocation.Target{Issuer: providerURL, Subject: "alice"}, ACR: []string{"mfa", "phr"},
		}); err != nil {
			t.Fatal(err)
		}
		w.provider.steps = map[string]string{"": "pwd"}
		if reached {
			w.provider.steps["mfa phr"] = "phr"
		}
		b := w.browser("alice")
		p := b.open(app + "/")
		if len(w.provider.asked) != 2 || w.provider.asked[1].Get("acr_values") != "mfa phr" {
			t.Errorf("%s: asked for %v", name, w.provider.asked)
		}
		if reached != (p.body == "/ for alice") || !reached && p.kind() != PageStepUpUnmet {
			t.Errorf("%s: %d %s", name, p.status, p.body)
		}
		if other := w.browser("bob"); other.wantSignedIn(app+"/").status != 200 || len(w.provider.asked) != 3 {
			t.Errorf("%s: bob is asked for more", name)
		}
	}
}

func TestAStepUpOfAnotherPersonIsNone(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	id := b.id()
	w.sites["app.example.com"].required.ACR = [][]string{{"mfa"}}
	w.provider.acr = "mfa"
	b.user = "bob"
	b.open(app+"/").want(t, http.StatusForbidden, PageStepUpUnmet)
	if b.id() != id || w.cuts() != 0 {
		t.Error("the session was touched")
	}
}

func TestAStepUpThatTheProviderCannotMeetKeepsTheSession(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	id := b.id()
	w.sites["app.example.com"].required.AMR = [][]string{{"otp"}}
	b.open(app+"/").want(t, http.StatusForbidden, PageStepUpUnmet)
	w.sites["app.example.com"].required.AMR = nil
	if p := b.step(app + "/"); p.status != http.StatusOK || b.id() != id {
		t.Errorf("got %d", p.status)
	}
}

func TestASecondTryDoesNotWaitForACutOfTomorrow(t *testing.T) {
	w := newWorld(t)
	w.advance(time.Hour)
	w.cut(revocation.Target{Issuer: providerURL, Subject: "alice"})
	w.advance(-time.Hour)
	b := w.browser("alice")
	p := b.open(app + "/")
	p.want(t, http.StatusServiceUnavailable, PageNotReady)
	if p.header.Get("Retry-After") != "3606" || w.waited != 0 {
		t.Errorf("waited %s, then to retry after %s", w.waited, p.header.Get("Retry-After"))
	}
}

func TestABlockedPersonIsToldSoAtOnce(t *testing.T) {
	w := newWorld(t)
	if err := w.submit(t.Context(), &revocation.Draft{Type: revocation.Block, Target: revocation.Target{Issuer: providerURL, Subject: "alice"}}); err != nil {
		t.Fatal(err)
	}
	b := w.browser("alice")
	b.open(app+"/").want(t, http.StatusForbidden, PageBlocked)
	if len(w.provider.asked) != 1 || b.id() != "" {
		t.Errorf("asked %d times, session %q", len(w.provider.asked), b.id())
	}
}

func TestAnOldSessionThatCannotBeCutDurablyStays(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	id := b.id()
	w.noLedger = true
	b.user = "bob"
	b.open(app+"/.curfew/sign-in?name=staff&prompt=select_account").want(t, http.StatusServiceUnavailable, PageNotDurable)
	if b.id() != id {
		t.Errorf("the session is %q", b.id())
	}
	w.noLedger = false
	if b.open(app + "/.curfew/sign-in?name=staff&prompt=select_account"); b.id() == id || w.cuts() != 1 {
		t.Errorf("the session is %q, %d cuts", b.id(), w.cuts())
	}
	b.wantSignedIn(app + "/")
}

func TestAProviderWithoutAuthTimeIsAllowedByName(t *testing.T) {
	allow := func(c *Config) { c.AllowNoAuthTime = true }
	w := newWorld(t, allow)
	w.provider.noAuthTime = true
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	if q := w.provider.asked[0]; q.Has("max_age") || q.Has("prompt") {
		t.Errorf("asked for %v", q)
	}
	// A cut compares the iat.
	w.advance(10 * time.Second)
	w.cut(revocation.Target{Issuer: providerURL, Subject: "alice"})
	b.wantSignedIn(app + "/again")
	if w.waited == 0 {
		t.Error("the second token is as old as the cut")
	}
	// What needs a time of sign-in is never met.
	age := time.Hour
	w.sites["app.example.com"].required.MaxAge = &age
	b.open(app+"/").want(t, http.StatusForbidden, PageStepUpUnmet)
	if b.id() == "" {
		t.Error("the session was touched")
	}
}

func TestASessionTooLargeForACookieIsExplainedInTheLog(t *testing.T) {
	groups := make([]string, 500)
	for i := range groups {
		groups[i] = "cn=group,ou=groups"
	}
	w := newWorld(t, func(c *Config) { c.Claims = []Claim{{Name: "groups"}} })
	w.provider.claims = tokentest.Claims{"groups": groups}
	b := w.browser("alice")
	b.open(app+"/").want(t, http.StatusBadGateway, PageTooLarge)
	if !strings.Contains(w.log.String(), "claim groups") || b.id() != "" {
		t.Errorf("logged %s", w.log)
	}
	// Only the values that are asked for are kept.
	w.configure(func(c *Config) { c.Claims = []Claim{{Name: "groups", Values: []string{"staff"}}} })
	b.wantSignedIn(app + "/")
}

func TestClaimsThatTheIDTokenLacksComeFromUserinfo(t *testing.T) {
	named := func(c *Config) {
		c.Claims = []Claim{{Name: "groups", Values: []string{"staff", "*@example.com"}}, {Name: "email"}}
	}
	w := newWorld(t, named)
	w.provider.userinfo = map[string]any{"sub": "alice", "groups": []any{"staff", "other", "a@example.com", 7}}
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	s, _, _ := w.all.Open(b.cookie(app, secureCookies.Session), "app.example.com", w.now())
	if groups, ok := s.Claim("groups"); !ok || groups != `["staff","a@example.com"]` {
		t.Errorf("groups %q %v", groups, ok)
	}
	if email, ok := s.Claim("email"); ok {
		t.Errorf("email %q, which the provider did not send", email)
	}
	w.provider.userinfo["sub"] = "bob"
	other := w.browser("alice")
	other.open(app+"/").want(t, http.StatusBadGateway, PageProvider)
}
