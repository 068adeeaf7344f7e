package login

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// hostile are return values that would leave the origin if a reader took them in
// its own way: prefixes, each followed by each of the endings.
func hostile() []string {
	prefixes := []string{
		"", "/", "//", "///", "////", `\`, `\\`, `/\`, `\/`, `/\/`, `//\`, "/\t/", "\t//", "/\n/", "/\r/", " //", "/ /", "/%09/", "/%0a/", "/%5c", "/%2f", "/%2f/",
		"/./", "/../", "/.//", "/..//", "/%2e%2e//", "/;//", "/?//", "/#//", "https:", "https:/", "https://", "http://", "HTTPS://", "https:///", `https:\\`,
		"//app.example.com@", "https://app.example.com@", "https://app.example.com.", "javascript:", "data:text/html,", "vbscript:", "\x00//", "/\x00/", "\u2028//", "/\u3002/",
		"．//", "/／", "/\u00ad/", "ftp://", "view-source:", "blob:", "//[::1]/", "/.curfew/../../", "@", "//0x7f.1/", "https://app.example.com:443@",
	}
	endings := []string{
		"evil.example", "evil.example/", "evil.example:443/x", "evil.example/.curfew/session", "evil.example?a=b", "evil.example#f", "evil%2eexample", "app.example.com.evil.example",
		"evil.example\r\nSet-Cookie: a=b", "//evil.example",
	}
	var all []string
	for _, p := range prefixes {
		for _, e := range endings {
			all = append(all, p+e)
		}
	}
	return all
}

// B1 and B10.
func TestNoReturnValueLeavesTheOrigin(t *testing.T) {
	all := hostile()
	if len(all) < 500 {
		t.Fatalf("%d values", len(all))
	}
	base, err := url.Parse(app + "/.curfew/callback/staff")
	if err != nil {
		t.Fatal(err)
	}
	stays := func(what, value, to string) {
		t.Helper()
		u, err := base.Parse(to)
		if err != nil || u.Scheme != "https" || u.Host != "app.example.com" || u.User != nil || !strings.HasPrefix(to, "/") ||
			strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t\x00 ") {
			t.Errorf("%s: %q leads to %q", what, value, to)
		}
	}
	for _, value := range all {
		stays("returnPath", value, returnPath(value))
	}
	w := newWorld(t)
	signedIn, _ := w.signedIn("alice")
	for i, value := range all {
		// The whole way of a sign-in for some, and the way of a good session for all.
		if i%10 == 0 {
			b := w.browser("alice")
			at := b.stepTo(app + "/.curfew/sign-in?name=staff&return=" + url.QueryEscape(value))
			p := b.step(at)
			if p.status != http.StatusSeeOther {
				t.Errorf("%q: %d %s", value, p.status, p.body)
			}
			stays("sign-in", value, p.header.Get("Location"))
		}
		p := signedIn.step(app + "/.curfew/sign-in?return=" + url.QueryEscape(value))
		if p.status != http.StatusSeeOther {
			t.Errorf("%q: %d", value, p.status)
		}
		stays("good session", value, p.header.Get("Location"))
	}
}

func TestReturnPaths(t *testing.T) {
	long := "/" + strings.Repeat("a", 1000)
	for wanted, want := range map[string]string{
		"/": "/", "/a": "/a", "/a?b=c&d=%2F#e": "/a?b=c&d=%2F#e", "": "/", "a": "/", "/a b": "/", "/ä": "/", "/%C3%A4": "/%C3%A4",
		"/.curfew/sign-out": "/", "/.curfew": "/", "/.curfew/": "/", "/a/../.curfew/sign-out": "/", "/%2ecurfew/sign-out": "/", "/%2e%2e/.curfew/x": "/",
		"/.curfewx": "/.curfewx", "/~alice/!": "/~alice/!", "/x/.curfew/": "/x/.curfew/", "/%zz": "/",
		long + "?" + strings.Repeat("b", 23): long, long + "?" + strings.Repeat("b", 22): long + "?" + strings.Repeat("b", 22),
		long + strings.Repeat("a", 100): "/", "/?x=" + strings.Repeat("y", 2000): "/",
	} {
		if got := returnPath(wanted); got != want {
			t.Errorf("%.60q (%d): %.60q (%d)", wanted, len(wanted), got, len(got))
		}
	}
}

func TestADeepLinkIsKeptOverTheProvider(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/", "/a?b=c", "/a%2Fb", "/a/?q=" + strings.Repeat("z", 900), "/x?return=//evil.example"} {
		b := w.browser("alice")
		if p := b.open(app + path); p.url.RequestURI() != path || p.status != http.StatusOK {
			t.Errorf("%s: %d at %s", path, p.status, p.url.RequestURI())
		}
	}
}

func FuzzReturnPath(f *testing.F) {
	for i, value := range hostile() {
		if i%7 == 0 {
			f.Add(value)
		}
	}
	f.Fuzz(func(t *testing.T, value string) {
		to := returnPath(value)
		u, err := url.Parse(to)
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || len(to) > maxReturn ||
			strings.HasPrefix(u.Path, Prefix) || strings.ContainsAny(to, "\\\r\n\t\x00") {
			t.Errorf("%q leads to %q", value, to)
		}
	})
}
