package origin

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestOriginsAreComparedBySchemeHostAndPort(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://a.example/x", "https://A.example:443/y?z", true},
		{"http://a.example", "http://a.example:80", true},
		{"https://a.example", "http://a.example", false},
		{"https://a.example", "https://a.example:8443", false},
		{"https://a.example", "https://b.a.example", false},
		{"https://[::1]", "https://[::1]:443", true},
		{"https://i.example", "https://\u0130.example", false}, // its lower case is i, and it is another name
	} {
		a, errA := url.Parse(c.a)
		b, errB := url.Parse(c.b)
		if errA != nil || errB != nil || Same(a, b) != c.want || Same(b, a) != c.want {
			t.Errorf("%s and %s: got %v", c.a, c.b, !c.want)
		}
	}
}

func TestAnOriginIsThatOfTheRequest(t *testing.T) {
	type want struct{ plain, proxied, secure bool }
	never, ofHTTP, ofHTTPS := want{}, want{plain: true, proxied: true}, want{proxied: true, secure: true}
	for _, c := range []struct {
		value, host string
		want        want
	}{
		{"http://app.example", "app.example", ofHTTP},
		{"https://app.example", "app.example", ofHTTPS},
		{"HTTPS://APP.example", "app.EXAMPLE", ofHTTPS},
		{"http://app.example", "app.example:80", ofHTTP},
		{"http://app.example:80", "app.example", ofHTTP},
		{"https://app.example", "app.example:443", ofHTTPS},
		{"https://app.example:443", "app.example", ofHTTPS},
		{"https://app.example:8443", "app.example:8443", ofHTTPS},
		{"http://127.0.0.1:9000", "127.0.0.1:9000", ofHTTP},
		{"https://[::1]:8443", "[::1]:8443", ofHTTPS},
		{"https://[::1]", "[::1]:443", ofHTTPS},

		{"https://evil.example", "app.example", never},
		{"https://app.example.evil.example", "app.example", never},
		{"https://evil.app.example", "app.example", never},
		{"https://app.example.", "app.example", never},
		{"https://app.example:8443", "app.example", never},
		{"https://app.example", "app.example:80", never},
		{"http://app.example", "app.example:443", never},
		{"https://[::1]", "[::2]", never},

		{"null", "app.example", never},
		{"null", "null", never},
		{"", "app.example", never},
		{"", "", never},
		{"app.example", "app.example", never},
		{"//app.example", "app.example", never},
		{"https:app.example", "app.example", never},
		{"https:/app.example", "app.example", never},
		{"https://", "", never},
		{"https://:443", "", never},
		{"https://:443", ":443", never},
		{"ftp://app.example", "app.example", never},
		{"javascript://app.example", "app.example", never},

		{"https://user@app.example", "app.example", never},
		{"https://@app.example", "app.example", never},
		{"https://app.example@evil.example", "app.example", never},
		{"https://user@app.example", "user@app.example", never},
		{"https://app.example/", "app.example", never},
		{"https://app.example/x", "app.example", never},
		{"https://app.example?", "app.example", never},
		{"https://app.example?x", "app.example", never},
		{"https://app.example#", "app.example", never},
		{"https://app.example#x", "app.example", never},
		{"https://evil.example#@app.example", "app.example", never},
		{`https://app.example\@evil.example`, "app.example", never},
		{"https://app.example https://app.example", "app.example", never},
		{"https://app.example, https://app.example", "app.example", never},
		{" https://app.example", "app.example", never},
		{"https://app.example ", "app.example", never},
		{"https://app%2eexample", "app.example", never},
		{"https://app.example:x", "app.example", never},
	} {
		plain, secure := &http.Request{Host: c.host}, &http.Request{Host: c.host, TLS: new(tls.ConnectionState)}
		got := want{IsOf(c.value, plain, EndsHere), IsOf(c.value, plain, MayEndEarlier), IsOf(c.value, secure, EndsHere)}
		if got != c.want || IsOf(c.value, secure, MayEndEarlier) != c.want.secure {
			t.Errorf("Origin %q at %q: got %+v, want %+v", c.value, c.host, got, c.want)
		}
	}
}

// FuzzIsOf: no panic. A value that is accepted has a scheme, a host and a port
// alone, and the host and port are those of the request. What is accepted where
// TLS ends here is accepted where it may end earlier.
func FuzzIsOf(f *testing.F) {
	for _, seed := range [][2]string{
		{"http://app.example", "app.example:80"},
		{"https://[::1]:8443", "[::1]:8443"},
		{"null", "null"},
		{"https://user@app.example", "user@app.example"},
		{"https://app.example#", "app.example"},
		{"https://a:", "a"},
	} {
		f.Add(seed[0], seed[1], false)
		f.Add(seed[0], seed[1], true)
	}
	f.Fuzz(func(t *testing.T, value, host string, secure bool) {
		r := &http.Request{Host: host}
		if secure {
			r.TLS = new(tls.ConnectionState)
		}
		here, earlier := IsOf(value, r, EndsHere), IsOf(value, r, MayEndEarlier)
		if here && !earlier {
			t.Fatalf("%q at %q is accepted only where TLS ends here", value, host)
		}
		if !earlier {
			return
		}
		u, err := url.Parse(value)
		switch {
		case err != nil || *u != (url.URL{Scheme: u.Scheme, Host: u.Host}):
			t.Fatalf("%q was accepted and has more than scheme, host and port: %+v, %v", value, u, err)
		case strings.ContainsAny(value, "@?#") || strings.Count(value, "/") != 2:
			t.Fatalf("%q was accepted and has a part that no origin has", value)
		case u.Scheme != "https" && (u.Scheme != "http" || secure):
			t.Fatalf("%q was accepted, with TLS: %v", value, secure)
		case here && (u.Scheme == "https") != secure:
			t.Fatalf("%q was accepted where TLS ends here, with TLS: %v", value, secure)
		case !strings.EqualFold(u.Hostname(), (&url.URL{Host: host}).Hostname()):
			t.Fatalf("%q was accepted at %q", value, host)
		}
	})
}
