package outbound

import (
	"errors"
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
