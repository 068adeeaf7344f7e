//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/launcher"
	"github.com/go-rod/rod/lib/proto"

	"curfew.dev/curfew/internal/gatewaytest"
)

// chromium is one real browser for all tests; each person has a profile of its own
// in it.
var chromium struct {
	sync.Mutex
	*rod.Browser
	close func()
}

func openChromium(t *testing.T) *rod.Browser {
	t.Helper()
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.Browser == nil {
		chromium.Browser, chromium.close = launchChromium(t, "")
	}
	return chromium.Browser
}

func closeChromium() {
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.Browser != nil {
		chromium.close()
	}
}

// launchChromium starts a browser with preferences, in JSON.
func launchChromium(t *testing.T, preferences string) (b *rod.Browser, end func()) {
	t.Helper()
	binary, err := exec.LookPath("chromium")
	if err != nil {
		gatewaytest.Missing(t, "Chromium is not installed: `apt-get install chromium`")
	}
	l := launcher.New().Bin(binary).NoSandbox(true).Leakless(false).Headless(true).
		Set("disable-dev-shm-usage").Set("disable-gpu").Set("ignore-certificate-errors").Set("no-proxy-server").
		Set("host-resolver-rules", "MAP *.example.test 127.0.0.1")
	if preferences != "" {
		l = l.Preferences(preferences)
	}
	address, err := l.Launch()
	if err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	b = rod.New().ControlURL(address)
	if err := b.Connect(); err != nil {
		l.Kill()
		t.Fatalf("connecting to Chromium: %v", err)
	}
	return b, func() {
		_ = b.Close()
		l.Kill()
		l.Cleanup()
	}
}

// person is somebody with a browser of their own.
type person struct {
	*rod.Browser
	t    *testing.T
	name string
}

func newPerson(t *testing.T, name string) *person {
	t.Helper()
	b, err := openChromium(t).Incognito()
	if err != nil {
		t.Fatalf("a new profile: %v", err)
	}
	t.Cleanup(func() { _ = proto.TargetDisposeBrowserContext{BrowserContextID: b.BrowserContextID}.Call(b) })
	return &person{b, t, name}
}

// newPersonWithout is somebody whose browser keeps no cookies of some sites.
func newPersonWithout(t *testing.T, name, sites string) *person {
	t.Helper()
	b, end := launchChromium(t, fmt.Sprintf(`{"profile":{"content_settings":{"exceptions":{"cookies":{"%s,*":{"setting":2}}}}}}`, sites))
	t.Cleanup(end)
	return &person{b, t, name}
}

// tab is a tab of a person's browser.
type tab struct {
	*rod.Page
	p *person
}

// open opens an address in a new tab.
func (p *person) open(address string) *tab {
	p.t.Helper()
	page, err := p.Page(proto.TargetCreateTarget{})
	if err != nil {
		p.t.Fatalf("a new tab: %v", err)
	}
	b := &tab{page, p}
	b.navigate(address)
	return b
}

func (b *tab) navigate(address string) {
	b.p.t.Helper()
	if err := b.Timeout(patience).Navigate(address); err != nil {
		b.p.t.Fatalf("opening %s: %v", address, err)
	}
}

// ask evaluates a function in the page; a promise is awaited. What fails because the
// page is going away may be asked again.
func (b *tab) ask(function string, arguments ...any) (string, error) {
	r, err := b.Timeout(patience).Evaluate(rod.Eval(function, arguments...).ByPromise())
	if err != nil {
		return "", err
	}
	return r.Value.Str(), nil
}

func (b *tab) evaluate(function string, arguments ...any) string {
	b.p.t.Helper()
	s, err := b.ask(function, arguments...)
	if err != nil {
		b.p.t.Fatalf("a script: %v", err)
	}
	return s
}

// text is what an element says.
func (b *tab) text(selector string) string {
	s, _ := b.ask(`s => document.readyState === "complete" && document.querySelector(s)?.innerText || ""`, selector)
	return s
}

// await waits until an element says something.
func (b *tab) await(selector, want string) {
	b.p.t.Helper()
	b.until(fmt.Sprintf("%s is %q", selector, want), func() error {
		if got := b.text(selector); !strings.Contains(got, want) {
			return fmt.Errorf("it is %q, in %q", got, b.text("body"))
		}
		return nil
	})
}

func (b *tab) until(what string, check func() error) {
	b.p.t.Helper()
	eventually(b.p.t, patience, what, check)
}

// press presses the button or the link with a name.
func (b *tab) press(name string) {
	b.p.t.Helper()
	b.until("there is a button "+name, func() error {
		found, err := b.ask(`name => {
			const all = [...document.querySelectorAll("button, a")].filter((e) => e.innerText.trim().startsWith(name));
			all[0]?.click();
			return String(all.length);
		}`, name)
		if err == nil && found == "0" {
			err = errors.New(b.text("body"))
		}
		return err
	})
}

// signIn fills in the provider's page. A second factor makes it a stronger sign-in.
func (b *tab) signIn(strong bool) {
	b.p.t.Helper()
	b.await("h1", "Sign in")
	second := ""
	if strong {
		second = code
	}
	b.evaluate(`(user, password, code) => {
		const form = document.forms[0];
		form.user.value = user; form.password.value = password; form.code.value = code;
		form.querySelector("button").click();
	}`, b.p.name, password, second)
}

// enter signs in at a page and waits for it.
func (p *person) enter(address string) *tab {
	p.t.Helper()
	b := p.open(address)
	b.signIn(false)
	b.await("h1", "Application")
	return b
}
