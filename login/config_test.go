package login

import (
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/revocation"
)

func TestMistakesOfASignInAreRefused(t *testing.T) {
	secret := func() (string, error) { return "x", nil }
	for want, change := range map[string]option{
		"":                          func(*Config) {},
		"no issuer":                 func(c *Config) { c.Issuer = nil },
		"no client_id":              func(c *Config) { c.ClientID = "" },
		"the name has":              func(c *Config) { c.Name = "a/b" },
		"the name has 1":            func(c *Config) { c.Name = "" },
		"a client_secret and":       func(c *Config) { c.ClientSecret, c.ClientKey = secret, new(ClientKey) },
		`scope "a b"`:               func(c *Config) { c.Scope = []string{"a b"} },
		`resource "x"`:              func(c *Config) { c.Resources = []string{"x"} },
		"at least 1m":               func(c *Config) { c.Idle = time.Second },
		"longer than the lifetime":  func(c *Config) { c.Idle, c.Lifetime = 2*time.Hour, time.Hour },
		"retention":                 func(c *Config) { c.Lifetime = 91 * 24 * time.Hour },
		"param state":               func(c *Config) { c.Params = []Param{{"state", "x"}} },
		"param request_uri":         func(c *Config) { c.Params = []Param{{"request_uri", "x"}} },
		"param response_mode":       func(c *Config) { c.Params = []Param{{"response_mode", "x"}} },
		"param a is set twice":      func(c *Config) { c.Params = []Param{{"a", "x"}, {"a", "y"}} },
		"param has no name":         func(c *Config) { c.Params = []Param{{"", "x"}} },
		"not https":                 func(c *Config) { c.Callback = &Callback{"http://auth.example.com", []string{"a.example"}} },
		"not an origin":             func(c *Config) { c.Callback = &Callback{"https://auth.example.com/", []string{"a.example"}} },
		"names no host":             func(c *Config) { c.Callback = &Callback{"https://auth.example.com", nil} },
		`"A.example" is not a host`: func(c *Config) { c.Callback = &Callback{"https://auth.example.com", []string{"A.example"}} },
		`"a.example:1" is not`:      func(c *Config) { c.Callback = &Callback{"https://auth.example.com", []string{"a.example:1"}} },
		"a.example twice": func(c *Config) {
			c.Callback = &Callback{"https://auth.example.com", []string{"a.example", "a.example"}}
		},
		`signed_out_url "x"`:   func(c *Config) { c.SignedOutURL = "x" },
		"http is for loopback": func(c *Config) { c.SignedOutURL = "http://www.example.com/" },
	} {
		c := Config{
			Name: "staff", ClientID: "web", Client: outbound.New(providerURL, outbound.Options{}),
			Issuer: &revocation.Issuer{URL: providerURL, Retention: 90 * 24 * time.Hour},
		}
		change(&c)
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v", want, err)
		}
	}
}

func TestOriginsOfHosts(t *testing.T) {
	c, d := fuzzed(seal.Keys{seal.RandomKey()})
	all, err := New(d, c)
	if err != nil {
		t.Fatal(err)
	}
	s := all.Named("staff")
	for _, tt := range []struct {
		origin string
		ok     bool
	}{
		{"https://a.example:8443", true},
		{"https://a.example:8443", true},
		{"https://a.example", false},
		{"http://b.example", false},
		{"http://localhost:8080", true},
		{"https://c.example/", false},
		{"https://*.example", false},
		{"c.example", false},
		{"https://u@c.example", false},
		{"http://127.0.0.1:1", true},
		{"https://[::1]:7", true},
	} {
		if err := s.AddOrigin(tt.origin); tt.ok != (err == nil) {
			t.Errorf("%s: %v", tt.origin, err)
		}
	}
	for host, want := range map[string]string{
		"a.example": "https://a.example:8443/.curfew/callback/staff", "localhost": "http://localhost:8080/.curfew/callback/staff", "::1": "https://[::1]:7/.curfew/callback/staff",
	} {
		if got, ok := s.redirectURI(host); !ok || got != want {
			t.Errorf("%s: %q %v", host, got, ok)
		}
	}
	if _, ok := s.redirectURI("c.example"); ok {
		t.Error("an unknown host signs in")
	}
	c.Callback = &Callback{"https://auth.example.com:444", []string{"a.example", "::1"}}
	if all, err = New(d, c); err != nil {
		t.Fatal(err)
	}
	s = all.Named("staff")
	for host, want := range map[string]string{"a.example": "https://a.example:444", "::1": "https://[::1]:444"} {
		if got, ok := s.originOf(host); !ok || got != want {
			t.Errorf("%s: %q %v", host, got, ok)
		}
	}
	for origin, ok := range map[string]bool{"https://a.example": true, "https://auth.example.com:444": true, "http://a.example": true, "https://other.example": false, "http://other.example": false} {
		if err := s.AddOrigin(origin); ok != (err == nil) {
			t.Errorf("%s: %v", origin, err)
		}
	}
	if _, err := New(d, c, c); err == nil {
		t.Error("two sign-ins have one name")
	}
}
