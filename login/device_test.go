package login

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/revocation"
)

const (
	wiki = "https://wiki.example.com"
	auth = "https://auth.example.com"
)

// device is the one of the session that a browser has at an address.
func (b *browser) device(at string) string {
	b.t.Helper()
	s, _, problem := b.w.all.Open(b.cookie(at, secureCookies.Session), strings.TrimPrefix(at, "https://"), b.w.now())
	if problem != Fine {
		b.t.Fatalf("%s: %s", at, problem)
	}
	return s.Credential.Device
}

func TestOneBrowserIsOneDevice(t *testing.T) {
	w := newWorld(t, withCallback)
	b := w.browser("alice")
	b.wantSignedIn(app + "/deep?a=b")
	b.wantSignedIn(wiki + "/")
	device := b.device(app)
	if !strings.HasPrefix(device, devicePrefix) || len(device) != len(devicePrefix)+22 || b.device(wiki) != device {
		t.Errorf("devices %q, %q", device, b.device(wiki))
	}
	if b.cookie(app, secureCookies.Device) != "" || b.cookie(auth, secureCookies.Device) == "" {
		t.Error("the device cookie is not on the callback's host alone")
	}
	if b.cookie(auth, secureCookies.Session) != "" || b.cookie(auth, secureCookies.Attempt) != "" {
		t.Error("the callback's host keeps more than the device")
	}
	for _, q := range w.provider.asked {
		if q.Get("redirect_uri") != auth+"/.curfew/callback/staff" {
			t.Errorf("redirect URI %s", q.Get("redirect_uri"))
		}
	}
	// It stays over a sign-out.
	w.advance(time.Minute)
	b.post(app+"/.curfew/sign-out", nil)
	b.wantSignedIn(app + "/")
	if b.device(app) != device {
		t.Errorf("the device is %q, was %q", b.device(app), device)
	}
	if other := w.browser("alice"); other.wantSignedIn(app+"/").status != 200 || other.device(app) == device {
		t.Error("two browsers are one device")
	}
}

func TestWithoutACallbackEachHostIsItsOwnDevice(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	b.wantSignedIn(wiki + "/")
	if b.device(app) == b.device(wiki) || b.cookie(app, secureCookies.Device) == "" {
		t.Error("one device for two hosts")
	}
}

func TestTheDeviceOfTheProviderComesFirst(t *testing.T) {
	w := newWorld(t)
	w.provider.claims = map[string]any{"device_id": "laptop"}
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	if got := b.device(app); got != "laptop" {
		t.Errorf("the device is %q", got)
	}
}

func TestAnUnlinkedBrowserSignsInAnew(t *testing.T) {
	w := newWorld(t, withCallback)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	w.advance(10 * time.Second)
	w.cut(revocation.Target{Issuer: providerURL, Subject: "alice", Device: b.device(app)})
	if p := b.step(app + "/"); p.status != http.StatusSeeOther || param(t, p.header.Get("Location"), "prompt") != "login" {
		t.Errorf("got %d %v", p.status, p.header)
	}
	b.wantSignedIn(app + "/")
}

func TestWhatTheCallbackSendsOnIsBoundToItsState(t *testing.T) {
	w := newWorld(t, withCallback)
	b := w.browser("alice")
	finish := b.step(b.stepTo(app + "/deep")).header.Get("Location")
	if !strings.HasPrefix(finish, app+"/.curfew/finish?") || param(t, finish, "code") == "" || param(t, finish, "iss") != providerURL {
		t.Fatalf("sent on to %s", finish)
	}
	other := w.browser("mallory")
	foreign := other.step(other.stepTo(app + "/")).header.Get("Location")
	for name, at := range map[string]string{
		"device of another state": change(t, finish, "device", param(t, foreign, "device")),
		"no device":               change(t, finish, "device"),
		"a device by hand":        change(t, finish, "device", "cd_1"),
		"another's state":         change(t, finish, "state", param(t, foreign, "state")),
		"another host":            strings.Replace(finish, "app.", "wiki.", 1),
		"two devices":             finish + "&device=x",
		"two states":              finish + "&state=x",
		"no iss":                  change(t, finish, "iss"),
	} {
		p := b.step(at)
		if p.status != 400 || p.kind() != PageStartAgain {
			t.Errorf("%s: %d %s", name, p.status, p.body)
		}
	}
	if p := b.step(finish); p.status != http.StatusSeeOther || p.header.Get("Location") != "/deep" || b.id() == "" {
		t.Errorf("got %d %s", p.status, p.body)
	}
}

func TestTheCallbackSendsOnToConfiguredHostsOnly(t *testing.T) {
	w := newWorld(t, withCallback)
	staff := w.all.Named("staff")
	for _, host := range []string{"evil.example", "auth.example.com", "app.example.com.evil.example", ""} {
		sealed, err := staff.sealState(&state{ID: "i", Host: host, Secure: true, Begun: w.now().UnixMilli(), Return: "/"}, w.now())
		if err != nil {
			t.Fatal(err)
		}
		w.browser("alice").step(auth+"/.curfew/callback/staff?code=c&state="+sealed).want(t, 400, PageStartAgain)
	}
	// The callback is at its own origin only.
	b := w.browser("alice")
	callback := b.stepTo(app + "/")
	b.step(strings.Replace(callback, "auth.", "app.", 1)).want(t, 404, PageUnknown)
	b.step(callback+"&state=x").want(t, 400, PageStartAgain)
	// The callback's host signs nobody in unless it is named.
	b.open(auth+"/").want(t, 400, PageUnknown)
}

func TestADamagedDeviceCookieIsReplaced(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	device, cookie := b.device(app), b.cookie(app, secureCookies.Device)
	for _, damaged := range []string{"", "x", cookie[:len(cookie)-2], b.cookie(app, secureCookies.Session), strings.Repeat("1.a.", 2000)} {
		b := w.browser("alice")
		b.setCookie(app, secureCookies.Device, damaged)
		b.wantSignedIn(app + "/")
		if b.device(app) == device || b.cookie(app, secureCookies.Device) == damaged {
			t.Errorf("%.20q stays", damaged)
		}
	}
}

func TestADeviceCookieOfAnUnknownKeyIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	b.wantSignedIn(app + "/")
	cookie, device := b.cookie(app, secureCookies.Device), b.device(app)
	old := w.keys
	w.keys = seal.Keys{seal.RandomKey()}
	w.advance(2 * time.Second)
	b.wantSignedIn(app + "/")
	if b.cookie(app, secureCookies.Device) != cookie {
		t.Error("the cookie was replaced")
	}
	w.keys = seal.Keys{w.keys[0], old[0]}
	w.advance(2 * time.Second)
	b.post(app+"/.curfew/sign-out", nil)
	w.advance(10 * time.Second)
	b.wantSignedIn(app + "/")
	if b.device(app) != device {
		t.Error("the device was forgotten")
	}
}
