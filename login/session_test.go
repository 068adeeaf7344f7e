package login

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/revocation"
)

const appHost = "app.example.com"

func (w *world) signedIn(user string) (b *browser, cookie string) {
	w.t.Helper()
	b = w.browser(user)
	b.wantSignedIn(app + "/")
	return b, b.cookie(app, secureCookies.Session)
}

func TestASessionIsBoundToItsHostAndItsSignIn(t *testing.T) {
	w := newWorld(t)
	_, cookie := w.signedIn("alice")
	now := w.now()
	w.all.cache.store.Wait() // it takes additions in its own time
	if s, hit, problem := w.all.Open(cookie, appHost, now); s == nil || !hit || problem != Fine {
		t.Fatalf("cached: %v %v %s", s, hit, problem)
	}
	// It is cached at A, and sent to B.
	for _, host := range []string{"wiki.example.com", "app.example.com.", "APP.example.com", "app.example.com:443", "", "example.com"} {
		if s, _, problem := w.all.Open(cookie, host, now); s != nil || problem != Damaged {
			t.Errorf("%q: %s", host, problem)
		}
	}
	thief := w.browser("mallory")
	thief.setCookie("https://wiki.example.com", secureCookies.Session, cookie)
	if p := thief.step("https://wiki.example.com/"); p.status != http.StatusSeeOther {
		t.Errorf("got %d", p.status)
	}
	// customers at staff: a session of one sign-in is none for a guard of another.
	w.sites[appHost].takes = []*SignIn{w.all.Named("customers")}
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	w.sites[appHost].takes = []*SignIn{w.all.Named("staff")}
	if p := b.step(app + "/"); p.status != http.StatusSeeOther || strings.Contains(p.header.Get("Set-Cookie"), secureCookies.Session+"=;") {
		t.Errorf("got %d %v", p.status, p.header)
	}
}

func TestHostOf(t *testing.T) {
	for sent, want := range map[string]string{
		"app.example.com": "app.example.com", "APP.example.com:443": "app.example.com", "app.example.com.": "app.example.com",
		"app.example.com.:8443": "app.example.com", "localhost:8080": "localhost", "[::1]:8080": "::1", "[::1]": "::1", "::1": "::1",
		"127.0.0.1:1": "127.0.0.1", "": "", "a:b:c": "a:b:c",
	} {
		if got := HostOf(&http.Request{Host: sent}); got != want {
			t.Errorf("%q: %q, want %q", sent, got, want)
		}
	}
}

func TestASessionRunsOut(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Idle, c.Lifetime = 10*time.Minute, time.Hour })
	b, cookie := w.signedIn("alice")
	w.all.cache.store.Wait()
	start := w.now()
	open := func(after time.Duration, cached bool) Problem {
		if !cached {
			w.configure(func(c *Config) { c.Idle, c.Lifetime = 10*time.Minute, time.Hour })
		}
		_, _, problem := w.all.Open(cookie, appHost, start.Add(after))
		return problem
	}
	for _, cached := range []bool{true, false} {
		for after, want := range map[time.Duration]Problem{0: Fine, 10*time.Minute - time.Second: Fine, 10 * time.Minute: RunOut, 24 * time.Hour: RunOut} {
			if got := open(after, cached); got != want {
				t.Errorf("after %s, cached %v: %s", after, cached, got)
			}
		}
	}
	// Use keeps it, up to its lifetime.
	for range 11 {
		w.advance(5 * time.Minute)
		if p := b.step(app + "/"); p.status != http.StatusOK {
			t.Fatalf("after %s: %d", w.now().Sub(start), p.status)
		}
	}
	w.advance(5 * time.Minute)
	p := b.step(app + "/")
	if p.status != http.StatusSeeOther || !strings.Contains(strings.Join(p.header["Set-Cookie"], "\n"), secureCookies.Session+"=; ") {
		t.Errorf("after its lifetime: %d %v", p.status, p.header["Set-Cookie"])
	}
}

func TestASessionIsSealedAnewAfterATenthOfIdle(t *testing.T) {
	w := newWorld(t)
	b, cookie := w.signedIn("alice")
	before, _, _ := w.all.Open(cookie, appHost, w.now())
	w.advance(DefaultIdle/10 - time.Second)
	if p := b.step(app + "/"); p.header.Get("Set-Cookie") != "" {
		t.Errorf("too early: %v", p.header)
	}
	w.advance(time.Second)
	p := b.step(app + "/")
	set := p.header.Get("Set-Cookie")
	if !strings.HasPrefix(set, secureCookies.Session+"=1.") || p.header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("got %v", p.header)
	}
	for _, attribute := range []string{"; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
		if !strings.Contains(set, attribute) {
			t.Errorf("%s lacks %s", set, attribute)
		}
	}
	if strings.Contains(set, "Domain") || strings.Contains(set, "Max-Age") {
		t.Errorf("got %s", set)
	}
	after, _, _ := w.all.Open(b.cookie(app, secureCookies.Session), appHost, w.now())
	if a, z := before.Credential, after.Credential; a.TokenID != z.TokenID || a.IssuedAt != z.IssuedAt || a.ExpiresAt != z.ExpiresAt || a.AuthTime != z.AuthTime {
		t.Errorf("%+v became %+v", a, z)
	}
}

func TestRenewingTakesAwayWhatACacheWouldKeep(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Persistent = true })
	_, cookie := w.signedIn("alice")
	s, _, _ := w.all.Open(cookie, appHost, w.now())
	h := http.Header{"Cache-Control": {"public, max-age=60"}, "Cdn-Cache-Control": {"max-age=9"}, "Surrogate-Control": {"max-age=9"}}
	s.Renew(h, true, w.now())
	if h.Get("Cache-Control") != "private, no-store" || h.Get("CDN-Cache-Control") != "" || h.Get("Surrogate-Control") != "" {
		t.Errorf("got %v", h)
	}
	if !strings.Contains(h.Get("Set-Cookie"), "Max-Age=3600") {
		t.Errorf("a persistent cookie ends with the browser: %v", h)
	}
}

func TestKeysChangeAndNobodyIsSignedOut(t *testing.T) {
	w := newWorld(t)
	b, cookie := w.signedIn("alice")
	first, second := w.keys[0], seal.RandomKey()
	deleted := func(p page) bool {
		return strings.Contains(strings.Join(p.header["Set-Cookie"], "\n"), secureCookies.Session+"=; ")
	}
	for name, tt := range map[string]struct {
		keys seal.Keys
		in   bool
	}{
		"both, the old one first": {seal.Keys{first, second}, true},
		"both, the new one first": {seal.Keys{second, first}, true},
		"the new one alone":       {seal.Keys{second}, false},
	} {
		for _, cached := range []bool{true, false} {
			if !cached {
				w.configure()
			}
			w.keys = tt.keys
			w.advance(2 * time.Second)
			p := b.step(app + "/")
			if tt.in != (p.status == http.StatusOK) || deleted(p) {
				t.Errorf("%s, cached %v: %d %v", name, cached, p.status, p.header["Set-Cookie"])
			}
		}
	}
	if _, _, problem := w.all.Open("9"+cookie[1:], appHost, w.now()); problem != Unknown {
		t.Errorf("an unknown version is %s", problem)
	}
}

func TestASessionFromBeforeAClaimWasNamedHasRunOut(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Claims = []Claim{{Name: "groups", Values: []string{"a"}}, {Name: "email"}} })
	_, cookie := w.signedIn("alice")
	for name, tt := range map[string]struct {
		claims []Claim
		want   Problem
	}{
		"the same":           {[]Claim{{Name: "groups", Values: []string{"a"}}, {Name: "email"}}, Fine},
		"fewer":              {nil, Fine},
		"one value of all":   {[]Claim{{Name: "email", Values: []string{"x"}}}, Fine},
		"another value":      {[]Claim{{Name: "groups", Values: []string{"a", "b"}}}, RunOut},
		"all values":         {[]Claim{{Name: "groups"}}, RunOut},
		"another claim":      {[]Claim{{Name: "department"}}, RunOut},
		"none of its values": {[]Claim{{Name: "groups", Values: []string{}}}, Fine},
	} {
		w.configure(func(c *Config) { c.Claims = tt.claims })
		if _, _, problem := w.all.Open(cookie, appHost, w.now()); problem != tt.want {
			t.Errorf("%s: %s", name, problem)
		}
	}
	for name, change := range map[string]option{
		"another client": func(c *Config) { c.ClientID = "other" }, "another name": func(c *Config) { c.Name = "staff2" },
	} {
		w := newWorld(t)
		_, cookie := w.signedIn("alice")
		d := w.all.deps
		c := w.all.Named("staff").config
		change(&c)
		all, err := New(d, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, problem := all.Open(cookie, appHost, w.now()); problem != RunOut {
			t.Errorf("%s: %s", name, problem)
		}
	}
}

// What expires raises a horizon for everybody, so a cut of one session is kept as
// long as the longest session.
func TestALongSessionOutlivesTheExpiredCutsOfOthers(t *testing.T) {
	const day = 24 * time.Hour
	long := func(c *Config) { c.Lifetime, c.Idle = 30*day, 30*day }
	w := newWorld(t, long)
	w.issuer.SessionLifetime = 30 * day
	alice, _ := w.signedIn("alice")
	w.advance(time.Hour)
	_, cookie := w.signedIn("bob")
	bob, _, _ := w.all.Open(cookie, appHost, w.now())
	for _, d := range []revocation.Draft{
		{Target: revocation.Target{Issuer: providerURL, TokenID: bob.Credential.TokenID}},
		{Target: revocation.Target{Issuer: providerURL, Subject: "bob"}, Mode: revocation.Refresh},
	} {
		d.Type = revocation.Cut
		if err := w.submit(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
	}
	for range 29 {
		w.advance(day)
		w.index.Expire(w.now().Unix())
		if p := alice.step(app + "/"); p.status != http.StatusOK {
			t.Fatalf("signed out after %s", w.now().Sub(time.Unix(bob.Credential.IssuedAt, 0)))
		}
	}
	if n := w.index.Expire(w.now().Add(2 * day).Unix()); n == 0 {
		t.Error("the cuts never expire")
	}
}

// Two cookies may have one hash.
func TestTheCacheComparesTheWholeCookieAndTheHost(t *testing.T) {
	w := newWorld(t)
	_, cookie := w.signedIn("alice")
	s, _, _ := w.all.Open(cookie, appHost, w.now())
	c := w.all.cache
	for _, other := range [][2]string{{cookie, "wiki.example.com"}, {cookie[1:], appHost}} {
		c.store.Set(c.key(other[0], other[1]), s, 1)
		c.store.Wait()
		if got := c.get(other[0], other[1]); got != nil {
			t.Errorf("%q is a hit", other)
		}
	}
}

func TestWithoutAKeyNothingBegins(t *testing.T) {
	w := newWorld(t, withCallback)
	b := w.browser("alice")
	callback := b.stepTo(app + "/")
	keys := w.keys
	w.keys = nil
	w.advance(2 * time.Second)
	b.open(app+"/").want(t, http.StatusServiceUnavailable, PageNotReady)
	w.keys = keys
	w.advance(2 * time.Second)
	if p := b.step(callback); p.status != http.StatusSeeOther {
		t.Errorf("got %d", p.status)
	}
}

// F1, K7 and section 4, "Tamper".
func TestEveryBitOfEveryCookieIsHeld(t *testing.T) {
	w := newWorld(t, withCallback)
	b := w.browser("alice")
	callback := b.stepTo(app + "/")
	finish := b.step(callback).header.Get("Location")
	names := map[string]string{secureCookies.Attempt: b.cookie(app, secureCookies.Attempt)}
	b.step(finish)
	if b.id() == "" {
		t.Fatalf("not signed in: %s", w.log)
	}
	names[secureCookies.Session] = b.cookie(app, secureCookies.Session)
	names[secureCookies.Device] = b.cookie("https://auth.example.com", secureCookies.Device)
	for name, value := range names {
		if value == "" {
			t.Fatalf("no %s", name)
		}
		for i := range len(value) * 8 {
			flipped := []byte(value)
			flipped[i/8] ^= 1 << (i % 8)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://x/", nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []string{app + "/", app + "/.curfew/session", finish, callback} {
				if strings.HasPrefix(at, "https://auth") != (name == secureCookies.Device) {
					continue
				}
				r.Header = http.Header{"Cookie": {name + "=" + string(flipped)}}
				status, body := w.raw(at, r.Header)
				if status >= 500 || strings.Contains(body, "alice") {
					t.Fatalf("%s with bit %d of %s flipped: %d %s", at, i, name, status, body)
				}
			}
		}
	}
	if w.upstreams != 0 {
		t.Errorf("the upstream was asked %d times", w.upstreams)
	}
}

// raw sends a request with any headers.
func (w *world) raw(address string, h http.Header) (status int, body string) {
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header = h.Clone()
	r.Header.Set("Accept", "text/html")
	resp, err := network{w, nil}.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, _ := resp.Body.Read(b)
	return resp.StatusCode, string(b[:n])
}

// F1 and B5.
func TestOddCookiesAreNoSessionAndNoError(t *testing.T) {
	w := newWorld(t)
	_, cookie := w.signedIn("alice")
	name := secureCookies.Session
	w.upstreams = 0
	other := seal.Keys{seal.RandomKey()}
	foreign, err := other.Seal(forSession, []byte("{}"), bind(appHost))
	if err != nil {
		t.Fatal(err)
	}
	wrongPurpose, err := w.keys.Seal(forDevice, []byte("{}"), bind(appHost))
	if err != nil {
		t.Fatal(err)
	}
	noObject, err := w.keys.Seal(forSession, []byte("[]"), bind(appHost))
	if err != nil {
		t.Fatal(err)
	}
	empty, err := w.keys.Seal(forSession, []byte("{}"), bind(appHost))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"twice":           name + "=" + cookie + "; " + name + "=" + cookie,
		"quoted":          name + `="` + cookie + `"`,
		"in another name": "curfew-dev=" + cookie, "lower case name": strings.ToLower(name) + "=" + cookie,
		"foreign key": name + "=" + foreign, "wrong purpose": name + "=" + wrongPurpose, "no object": name + "=" + noObject, "empty object": name + "=" + empty,
		"empty": name + "=", "no value": name, "a dot": name + "=.", "dots": name + "=" + strings.Repeat(".", 5000), "NUL": name + "=\x00",
		"chunks": name + "-0=" + cookie[:20] + "; " + name + "-1=" + cookie[20:] + "; " + name + "=chunks:99999999",
		"padded": name + "=" + cookie + "=", "longer": name + "=" + cookie + "A", "huge": name + "=" + strings.Repeat("A", 1<<20),
		"session as device": secureCookies.Device + "=" + cookie, "as attempt": secureCookies.Attempt + "=" + cookie,
	}
	for n := range 200 {
		cases[fmt.Sprintf("truncated to %d", n*len(cookie)/200)] = name + "=" + cookie[:n*len(cookie)/200]
	}
	for what, line := range cases {
		if status, body := w.raw(app+"/", http.Header{"Cookie": {line}}); status != http.StatusSeeOther {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
	if status, _ := w.raw(app+"/", http.Header{"Cookie": {name + "=" + cookie, name + "=x"}}); status != http.StatusSeeOther {
		t.Errorf("in two lines: %d", status)
	}
	if w.upstreams != 0 {
		t.Errorf("the upstream was asked %d times", w.upstreams)
	}
	if status, _ := w.raw(app+"/", http.Header{"Cookie": {"a=b;" + name + "=" + cookie + " ;c=d"}}); status != http.StatusOK {
		t.Errorf("among others: %d", status)
	}
}

func TestOldCopiesEndWithTheirSession(t *testing.T) {
	w := newWorld(t)
	b, old := w.signedIn("alice")
	w.advance(DefaultIdle / 5)
	b.step(app + "/")
	renewed := b.cookie(app, secureCookies.Session)
	if renewed == old {
		t.Fatal("it was not sealed anew")
	}
	in := func(cookie string) bool {
		thief := w.browser("mallory")
		thief.setCookie(app, secureCookies.Session, cookie)
		return thief.step(app+"/").status == http.StatusOK
	}
	if !in(old) || !in(renewed) {
		t.Fatal("a copy is not admitted before")
	}
	if p := b.post(app+"/.curfew/sign-out", nil); p.status != http.StatusOK {
		t.Fatalf("got %d %s", p.status, p.body)
	}
	for _, cookie := range []string{old, renewed} {
		if in(cookie) {
			t.Error("a copy is admitted after the sign-out")
		}
	}
	// On another node, and after a restart: nothing is cached.
	w.configure()
	if in(old) || in(renewed) {
		t.Error("a copy is admitted by another node")
	}
	// A slow response that seals anew after the cut brings nothing back.
	s, _, _ := w.all.Open(renewed, appHost, w.now())
	h := make(http.Header)
	s.Renew(h, true, w.now())
	value, _, _ := strings.Cut(strings.TrimPrefix(h.Get("Set-Cookie"), secureCookies.Session+"="), ";")
	if in(value) {
		t.Error("a copy that was sealed after the cut is admitted")
	}
}

func TestEveryKindOfCutHitsABrowserSession(t *testing.T) {
	for name, target := range map[string]func(*revocation.Credential) revocation.Target{
		"subject": func(c *revocation.Credential) revocation.Target {
			return revocation.Target{Issuer: c.Issuer, Subject: c.Subject}
		},
		"client": func(c *revocation.Credential) revocation.Target {
			return revocation.Target{Issuer: c.Issuer, Subject: c.Subject, Client: c.Client}
		},
		"device": func(c *revocation.Credential) revocation.Target {
			return revocation.Target{Issuer: c.Issuer, Subject: c.Subject, Device: c.Device}
		},
		"sid": func(c *revocation.Credential) revocation.Target {
			return revocation.Target{Issuer: c.Issuer, Session: c.Session}
		},
		"jti": func(c *revocation.Credential) revocation.Target {
			return revocation.Target{Issuer: c.Issuer, TokenID: c.TokenID}
		},
		"kid": func(c *revocation.Credential) revocation.Target {
			return revocation.Target{Issuer: c.Issuer, SignedBy: c.KeyID}
		},
		"iss": func(c *revocation.Credential) revocation.Target { return revocation.Target{Issuer: c.Issuer} },
	} {
		w := newWorld(t)
		b, cookie := w.signedIn("alice")
		s, _, _ := w.all.Open(cookie, appHost, w.now())
		if !strings.HasPrefix(s.Credential.Device, devicePrefix) || s.Credential.Audiences != nil || s.Credential.Client != "curfew-web" {
			t.Errorf("the credential is %+v", s.Credential)
		}
		w.cut(target(&s.Credential))
		if p := b.step(app + "/"); p.status != http.StatusSeeOther {
			t.Errorf("%s: %d", name, p.status)
		}
	}
}

func TestScopeIsThatWhichWasGranted(t *testing.T) {
	w := newWorld(t)
	w.provider.token = map[string]any{"scope": "openid"}
	_, cookie := w.signedIn("alice")
	s, _, _ := w.all.Open(cookie, appHost, w.now())
	if got := strings.Join(s.Credential.Scope, " "); got != "openid" {
		t.Errorf("scope %q", got)
	}
	w.provider.token = nil
	_, cookie = w.signedIn("bob")
	s, _, _ = w.all.Open(cookie, appHost, w.now())
	if got := strings.Join(s.Credential.Scope, " "); got != "openid profile" {
		t.Errorf("scope %q", got)
	}
}

func TestFactsComeBackAsTheyWereSealed(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Claims = nil })
	staff := w.all.Named("staff")
	text := rapid.StringMatching(`[ -~äöü€"\\]{0,12}`)
	rapid.Check(t, func(r *rapid.T) {
		now := w.now()
		f := &facts{
			SignIn: "staff", Issuer: providerURL, Client: "curfew-web", Subject: text.Draw(r, "sub"), ID: "cs_" + text.Draw(r, "jti"),
			SID: text.Draw(r, "sid"), Device: text.Draw(r, "device"), Tenant: text.Draw(r, "tenant"), KeyID: text.Draw(r, "kid"),
			IssuedAt: now.Unix(), AuthTime: rapid.Int64Range(0, now.Unix()).Draw(r, "auth_time"), Expires: now.Unix() + 60, Sealed: now.Unix(),
			ACR: text.Draw(r, "acr"), AMR: rapid.SliceOf(text).Draw(r, "amr"), Scope: rapid.SliceOf(text).Draw(r, "scope"),
		}
		host := rapid.StringMatching(`[a-z]{1,8}(\.[a-z]{1,8}){0,2}`).Draw(r, "host")
		cookie, err := staff.seal(f, host, now)
		if err != nil {
			r.Fatal(err)
		}
		s, _, problem := w.all.Open(cookie, host, now)
		if problem != Fine {
			r.Fatal(problem)
		}
		want := f.credential()
		got := s.Credential
		if got.Subject != want.Subject || got.TokenID != want.TokenID || got.Session != want.Session || got.Device != want.Device ||
			got.Tenant != want.Tenant || got.KeyID != want.KeyID || got.ACR != want.ACR || got.AuthTime != want.AuthTime ||
			strings.Join(got.AMR, "\x00") != strings.Join(want.AMR, "\x00") || strings.Join(got.Scope, "\x00") != strings.Join(want.Scope, "\x00") {
			r.Fatalf("%+v became %+v", want, got)
		}
		again, err := staff.seal(f, host, now)
		if err != nil || again == cookie {
			r.Fatal("two seals of one session are alike")
		}
		// Another host is another fact.
		other := rapid.StringMatching(`[a-z]{1,8}(\.[a-z]{1,8}){0,2}`).Draw(r, "other host")
		if _, _, problem := w.all.Open(cookie, other, now); other != host && problem != Damaged {
			r.Fatalf("%s at %s: %s", host, other, problem)
		}
		// Every change of the text is none of ours.
		raw := []byte(cookie)
		at := rapid.IntRange(0, len(raw)-1).Draw(r, "at")
		raw[at] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.;= "[rapid.IntRange(0, 67).Draw(r, "byte")]
		if s, _, _ := w.all.Open(string(raw), host, now); string(raw) != cookie && s != nil {
			r.Fatalf("%q is a session too", raw)
		}
	})
}

func TestBoundFactsNeverCollide(t *testing.T) {
	if string(bind("a", "bc")) == string(bind("ab", "c")) || string(bind("a")) == string(bind("a", "")) {
		t.Error("two lists are one")
	}
}

// FuzzCookie holds that no cookie but one of ours is a session, and none an error.
func FuzzCookie(f *testing.F) {
	keys := seal.Keys{seal.RandomKey()}
	config, deps := fuzzed(keys)
	all, err := New(deps, config)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	good, err := all.Named("staff").seal(&facts{
		SignIn: "staff", Issuer: providerURL, Client: "curfew-web", Subject: "alice", ID: "cs_1", Expires: now.Unix() + 60, Sealed: now.Unix(), IssuedAt: now.Unix(),
	}, appHost, now)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", ".", "1.", "1..", good, good[:40], good + "A", "1." + keys[0].ID() + ".", strings.Repeat("1.", 100), "1." + keys[0].ID() + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 60))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		s, _, problem := all.Open(cookie, appHost, now)
		if (s != nil) != (problem == Fine) || s != nil && cookie != good {
			t.Errorf("%q: %s", cookie, problem)
		}
		line := http.Header{"Cookie": {"a=b; " + secureCookies.Session + "=" + cookie}}
		if value, two := Read(line, secureCookies.Session); !two && len(value) > len(cookie) {
			t.Errorf("read %q of %q", value, cookie)
		}
		_, _ = attemptOf(http.Header{"Cookie": {secureCookies.Attempt + "=" + cookie}}, secureCookies.Attempt)
		StripRequest(line, nil)
		if value, two := Read(line, secureCookies.Session); value != "" || two {
			t.Errorf("%q is left of %q", line, cookie)
		}
	})
}

// FuzzState holds that no state but one of ours opens.
func FuzzState(f *testing.F) {
	keys := seal.Keys{seal.RandomKey()}
	config, deps := fuzzed(keys)
	all, err := New(deps, config)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	staff := all.Named("staff")
	good, err := staff.sealState(&state{ID: "i", Host: appHost, Begun: now.UnixMilli(), Return: "/"}, now)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "..", good, good[:30]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sealed string) {
		if st, err := staff.openState(sealed, now); err == nil && sealed != good || err == nil && st == nil {
			t.Errorf("%q opens", sealed)
		}
	})
}
