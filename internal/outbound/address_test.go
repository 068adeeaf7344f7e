package outbound

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestARemotePartyCannotNameThisMachine(t *testing.T) {
	remote, local := New("https://login.example.com", Options{}), New("http://localhost:8080/realm", Options{})
	for address, want := range map[string]struct{ remote, local bool }{
		"https://login.example.com/keys": {true, true},
		"https://10.0.0.1/keys":          {true, true},
		"https://localhost/keys":         {false, true},
		"http://127.0.0.1:9/keys":        {false, true},
		"http://[::ffff:127.0.0.1]/keys": {false, true},
		"http://x.LOCALHOST./keys":       {false, true},
		"http://login.example.com/keys":  {false, false},
		"http://10.0.0.1/keys":           {false, false},
		"https://secret@login.example":   {false, false},
		"file:///etc/secret":             {false, false},
		"/keys":                          {false, false},
		"":                               {false, false},
		"https://%zz/secret":             {false, false},
	} {
		for name, c := range map[string]struct {
			client *Client
			want   bool
		}{"remote": {remote, want.remote}, "loopback": {local, want.local}} {
			err := c.client.Allows(address)
			if c.want != (err == nil) || err != nil && !errors.Is(err, ErrAddress) {
				t.Errorf("%s party, %q: got %v", name, address, err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the message tells the secret: %v", err)
			}
		}
	}
}

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
	} {
		a, errA := url.Parse(c.a)
		b, errB := url.Parse(c.b)
		if errA != nil || errB != nil || SameOrigin(a, b) != c.want || SameOrigin(b, a) != c.want {
			t.Errorf("%s and %s: got %v", c.a, c.b, !c.want)
		}
	}
}
