//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/proto"
)

func TestABrowserGetsThePageThatItAskedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	startSite(t, s)
	alice := newPerson(t, "alice")
	b := alice.enter(s.origin("app") + "/deep/page?a=1&b=%C3%A4")
	b.await("#at", "/deep/page?a=1&b=%C3%A4")
	b.await("#as", "alice")
	alice.open(s.origin("wiki")+"/other").await("#at", "/other") // one sign-in serves both

	plain := alice.open(s.origin("localhost") + "/plain") // the provider knows her
	plain.await("#at", "/plain")
	if !alice.has("curfew-dev") || !alice.has("__Host-curfew") {
		t.Error("there is no cookie of localhost, or none of the sites")
	}
}

// has reports whether the browser keeps a cookie.
func (p *person) has(name string) bool {
	p.t.Helper()
	all, err := p.GetCookies()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range all {
		if c.Name == name {
			return true
		}
	}
	return false
}

// forget removes the sessions, as closing the browser does, but neither what the
// provider keeps nor the device.
func (p *person) forget() {
	p.t.Helper()
	all, err := p.GetCookies()
	if err != nil {
		p.t.Fatal(err)
	}
	var kept []*proto.NetworkCookieParam
	for _, c := range all {
		if c.Name != "__Host-curfew" {
			kept = append(kept, &proto.NetworkCookieParam{
				Name: c.Name, Value: c.Value, Domain: c.Domain, Path: c.Path, Secure: c.Secure, HTTPOnly: c.HTTPOnly, SameSite: c.SameSite, Expires: c.Expires,
			})
		}
	}
	if err := p.SetCookies(nil); err != nil { // all go
		p.t.Fatal(err)
	}
	if err := p.SetCookies(kept); err != nil {
		p.t.Fatal(err)
	}
}

func TestTwentyRestoredTabsShowTwentyPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	startSite(t, s)
	alice := newPerson(t, "alice")
	alice.enter(s.origin("app") + "/")
	alice.forget()
	tabs := make([]*tab, 20)
	for i := range tabs {
		page, err := alice.Page(proto.TargetCreateTarget{})
		if err != nil {
			t.Fatal(err)
		}
		tabs[i] = &tab{page, alice}
	}
	var all sync.WaitGroup
	for i, b := range tabs {
		all.Go(func() {
			if err := b.Timeout(patience).Navigate(fmt.Sprintf("%s/restored/%d", s.origin("app"), i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i, b := range tabs {
		b.await("#at", fmt.Sprintf("/restored/%d", i))
	}
	again := alice.open(s.origin("app") + "/again")
	again.await("#at", "/again")
}

// live opens a WebSocket and an event stream in a page, and waits for the stream.
func (b *tab) live() {
	b.p.t.Helper()
	b.evaluate(`() => new Promise((done, fail) => {
		window.ended = [];
		const socket = new WebSocket("wss://" + location.host + "/ws");
		socket.onclose = (e) => window.ended.push("socket " + e.code);
		const events = new EventSource("/sse");
		events.onerror = () => { window.ended.push("events"); events.close(); };
		events.onmessage = () => { if (socket.readyState === WebSocket.OPEN) done("open"); else socket.onopen = () => done("open"); };
		setTimeout(() => fail(new Error("nothing opened")), 30000);
	})`)
}

// awaitEnd waits until both have ended, the WebSocket with the code of a policy.
func (b *tab) awaitEnd() {
	b.p.t.Helper()
	b.until("what the page has open ends", func() error {
		got, err := b.ask(`() => window.ended.join(", ")`)
		if err == nil && !(strings.Contains(got, "socket 1008") && strings.Contains(got, "events")) {
			err = errors.New("ended: " + got)
		}
		return err
	})
}

// stillOpen fails if anything has ended.
func (b *tab) stillOpen() {
	b.p.t.Helper()
	if got := b.evaluate(`() => window.ended.join(", ")`); got != "" {
		b.p.t.Errorf("somebody else's ended: %s", got)
	}
}

// Whoever ends a session, it is over on every site, and so is what is open there.
func TestASessionEndsOnEverySite(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g, p := startSite(t, s)
	for name, c := range map[string]struct {
		person string
		end    func(t *testing.T, alice *person, app *tab)
	}{
		"by one press": {"alice", func(t *testing.T, alice *person, _ *tab) {
			b := alice.open(s.origin("wiki") + "/.curfew/sign-out")
			b.await("h1", "Sign out of this browser?")
			b.press("Sign out")
			b.await("h1", "You are signed out")
		}},
		"at the provider": {"carol", func(t *testing.T, alice *person, _ *tab) {
			b := alice.open(p.Issuer + "/session/end")
			b.await("body", "sign-out")
			b.evaluate(`() => document.querySelector("button[name=logout], button[type=submit]").click()`)
		}},
		"by the help desk": {"dave", func(t *testing.T, alice *person, _ *tab) {
			g.as("write").call(t, "POST", "/v1/revocations", object{"target": object{"iss": p.Issuer, "sub": alice.name}}).decode(t, 201, nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alice, bob := newPerson(t, c.person), newPerson(t, "bob")
			app, theirs := alice.enter(s.origin("app")+"/"), bob.enter(s.origin("app")+"/")
			wiki := alice.open(s.origin("wiki") + "/")
			wiki.await("h1", "Application")
			app.live()
			wiki.live()
			theirs.live()
			c.end(t, alice, app)
			app.awaitEnd()
			wiki.awaitEnd()
			theirs.stillOpen()
			for _, b := range []*tab{app, wiki} {
				if got := b.evaluate(`() => fetch("/data").then((r) => String(r.status))`); got != "401" {
					t.Errorf("a script gets %s", got)
				}
			}
			app.navigate(s.origin("app") + "/private")
			app.await("h1", "Sign in") // at the provider, which asks
			if err := app.Timeout(patience).NavigateBack(); err != nil {
				t.Fatal(err)
			}
			if got := app.evaluate(`() => fetch("/data").then((r) => String(r.status))`); got != "401" {
				t.Errorf("after the back button a script gets %s", got)
			}
		})
	}
}

func TestAPageAndAScriptStepUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	startSite(t, s)
	erin := newPerson(t, "erin")
	b := erin.enter(s.origin("app") + "/")
	b.navigate(s.origin("app") + "/strong/page?x=1")
	b.signIn(true)
	b.await("#at", "/strong/page?x=1")

	frank := newPerson(t, "frank")
	b = frank.enter(s.origin("app") + "/spa")
	b.evaluate(`async () => {
		const refused = await fetch("/strong/data");
		const problem = await refused.json();
		if (refused.status !== 401 || problem.type !== "urn:curfew:step-up-required") throw new Error(JSON.stringify(problem));
		const to = new URL(problem.sign_in, location.href);
		to.searchParams.set("return", location.pathname);
		setTimeout(() => location.assign(to), 0);
	}`)
	b.signIn(true)
	b.await("#at", "/spa")
	if got := b.evaluate(`() => fetch("/strong/data").then((r) => String(r.status))`); got != "200" {
		t.Errorf("after the step-up a script gets %s", got)
	}
}

// A strong sign-in gets old on what is open, too.
func TestAnElevationDecays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	startSite(t, s)
	grace := newPerson(t, "grace")
	b := grace.open(s.origin("app") + "/fresh/page")
	b.signIn(true)
	b.await("#at", "/fresh/page")
	signedIn, err := strconv.ParseInt(b.evaluate(`() => fetch("/.curfew/session").then((r) => r.json()).then((s) => String(s.auth_time))`), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	b.evaluate(`async () => {
		window.ended = [];
		const body = (await fetch("/fresh/sse")).body.getReader();
		await body.read();
		(async () => { for (;;) { const { done } = await body.read(); if (done) throw new Error("complete"); } })().catch((e) => window.ended.push(String(e)));
	}`)
	eventually(t, 2*patience, "the stream ends", func() error {
		got, err := b.ask(`() => window.ended.join()`)
		if err == nil && got == "" {
			err = errors.New("it goes on")
		}
		return err
	})
	if age := time.Since(time.Unix(signedIn, 0)); age < 58*time.Second {
		t.Errorf("it ended when the sign-in was %s old", age)
	}
	b.await("#at", "/fresh/page")
	b.navigate(s.origin("app") + "/usual")
	b.await("#at", "/usual") // the session itself goes on
	b.navigate(s.origin("app") + "/fresh/page")
	b.signIn(true)
	b.await("#at", "/fresh/page")
}

func TestAFormThatIsSentTooLateKeepsItsText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	startSite(t, s)
	heidi := newPerson(t, "heidi")
	b := heidi.enter(s.origin("app") + "/")
	heidi.forget() // as if the session had run out
	b.evaluate(`() => { document.querySelector("textarea").value = "what took an hour"; }`)
	b.press("Keep")
	b.await("h1", "Nothing was sent")
	link := b.evaluate(`() => { const a = document.querySelector("a[target=_blank]"); return a.href; }`)
	heidi.open(link).await("body", "") // the provider knows her
	eventually(t, patience, "she has a session again", func() error {
		if !heidi.has("__Host-curfew") {
			return errors.New("none")
		}
		return nil
	})
	if err := b.Timeout(patience).NavigateBack(); err != nil {
		t.Fatal(err)
	}
	b.until("the text is still there", func() error {
		got, err := b.ask(`() => document.querySelector("textarea")?.value || document.body.innerText`)
		if err == nil && got != "what took an hour" {
			err = errors.New(got)
		}
		return err
	})
	b.press("Keep")
	b.await("#note", "what took an hour")
}

// A provider that is down at the start keeps the gateway from sign-ins, and nobody
// from the session of before.
func TestAProviderMayBeDownAtTheStart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g, p := startSite(t, s)
	ivan := newPerson(t, "ivan")
	ivan.enter(s.origin("app") + "/")
	g.Stop(t)
	p.outage(t, true)
	g.Begin(t)
	b := ivan.open("about:blank")
	b.until("the gateway answers", func() error { return b.Timeout(patience).Navigate(s.origin("app") + "/private") })
	b.await("#at", "/private")
	judy := newPerson(t, "judy")
	theirs := judy.open(s.origin("app") + "/")
	theirs.await("h1", "The sign-in service does not answer")
	p.outage(t, false)
	g.AwaitReady(t)
	theirs.until("the provider asks", func() error {
		if theirs.text("h1") == "Sign in" {
			return nil
		}
		theirs.press("Try again")
		return errors.New(theirs.text("body"))
	})
	theirs.signIn(false)
	theirs.await("#as", "judy")
}

func TestSessionsOutliveRestartsAndReloads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g, _ := startSite(t, s)
	alice := newPerson(t, "alice")
	b := alice.enter(s.origin("app") + "/")
	g.reloadsWell(t)
	b.navigate(s.origin("app") + "/reloaded")
	b.await("#at", "/reloaded")
	g.Kill(t)
	g.Start(t)
	b.navigate(s.origin("app") + "/restarted")
	b.await("#at", "/restarted")
}

// Who blocks cookies is told so, and not sent round for ever.
func TestABrowserWithoutCookiesIsToldSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	startSite(t, s)
	alice := newPersonWithout(t, "alice", "[*.]example.test")
	b := alice.open(s.origin("app") + "/")
	b.signIn(false)
	b.await("h1", "This sign-in can't be finished")
	b.await("main", "blocks cookies")
}

// The provider may name a person differently for each client, leave out when they
// signed in, and take no notice of how old that may be.
func TestProvidersWithHabits(t *testing.T) {
	t.Parallel()
	t.Run("another sub for each client", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.IssuerOptions += "\n\t\t\tsubject_claim oid"
		s.clients = nil
		s.client("curfew-web", s.origin("auth"), "staff", "subject_type", "pairwise")
		s.client("curfew-local", s.origin("localhost"), "local", "subject_type", "pairwise")
		g, p := startSite(t, s, "--pairwise")
		bob := newPerson(t, "bob")
		app := bob.enter(s.origin("app") + "/")
		app.await("#as", "bob")
		plain := bob.open(s.origin("localhost") + "/")
		plain.await("#as", "bob")
		g.as("write").call(t, "POST", "/v1/revocations", object{"target": object{"iss": p.Issuer, "sub": "bob"}}).decode(t, 201, nil)
		for _, b := range []*tab{app, plain} { // one person, by both clients
			if got := b.evaluate(`() => fetch("/data").then((r) => String(r.status))`); got != "401" {
				t.Errorf("a script gets %s", got)
			}
		}
	})
	t.Run("no auth_time", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.clients = nil
		s.client("curfew-web", s.origin("auth"), "staff", "require_auth_time", false)
		g, p := startSite(t, s, "--no-auth-time")
		carol := newPerson(t, "carol")
		b := carol.open(s.origin("app") + "/")
		b.signIn(false)
		b.await("h1", "This needs a stronger sign-in") // nothing says when it was
		s.SignInOptions = "allow_no_auth_time"
		g.configure(t)
		g.reloadsWell(t)
		b.navigate(s.origin("app") + "/")
		b.await("#as", "carol")
		var receipt struct{ Limits []string }
		g.as("write").call(t, "POST", "/v1/revocations", object{"target": object{"iss": p.Issuer, "sub": "carol"}}).decode(t, 201, &receipt)
		if !strings.Contains(strings.Join(receipt.Limits, " "), "no_auth_time") {
			t.Errorf("the receipt says %q", receipt.Limits)
		}
		if got := b.evaluate(`() => fetch("/data").then((r) => String(r.status))`); got != "401" {
			t.Errorf("a script gets %s after a sign-out", got)
		}
		b.navigate(s.origin("app") + "/strong/page")
		b.signIn(true)
		b.await("#at", "/strong/page") // acr says how, which is enough here
		b.navigate(s.origin("app") + "/fresh/page")
		b.until("a page that asks for when it was is refused", func() error {
			if b.text("h1") == "Sign in" {
				b.signIn(true)
			}
			if got := b.text("h1"); got != "This needs a stronger sign-in" {
				return errors.New(got)
			}
			return nil
		})
	})
	t.Run("max_age is ignored", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		g, p := startSite(t, s, "--ignore-max-age")
		dave := newPerson(t, "dave")
		b := dave.enter(s.origin("app") + "/")
		g.as("write").call(t, "POST", "/v1/revocations", object{"target": object{"iss": p.Issuer, "sub": "dave"}}).decode(t, 201, nil)
		b.navigate(s.origin("app") + "/again")
		// The gateway asks by prompt, and once more for a sign-in that is too close to
		// the sign-out to be told from an older one.
		b.until("the page is there", func() error {
			if b.text("h1") == "Sign in" {
				b.signIn(false)
			}
			if got := b.text("#at"); got != "/again" {
				return errors.New(b.text("body"))
			}
			return nil
		})
	})
}

// Whatever a page is asked to return to, nobody is led to another origin.
func TestNoReturnLeadsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	startSite(t, s)
	erin := newPerson(t, "erin")
	b := erin.enter(s.origin("app") + "/")
	for _, to := range []string{
		"https://evil.example", "//evil.example", "/\\evil.example", "/%09/evil.example", "\t//evil.example", "javascript:alert(1)", "/.curfew/sign-out",
		"/%2F/evil.example", "/..//evil.example", "https:evil.example", "/@evil.example", "\\\\evil.example",
	} {
		b.navigate(s.origin("app") + "/.curfew/sign-in?return=" + url.QueryEscape(to))
		b.await("h1", "Application")
		if at := b.evaluate(`() => location.origin`); at != s.origin("app") {
			t.Errorf("%q leads to %s", to, at)
		}
	}
}
