package caddymodule

import "testing"

func TestTheDigestLeavesOutWhereAMachineHasItsFiles(t *testing.T) {
	app := func(edit func(*App, *Issuer)) string {
		i := &Issuer{URL: "https://login.example.com", Audiences: []string{"api"}}
		a := &App{Issuers: []*Issuer{i}, Policies: map[string]*Requirements{"dir": {}}}
		edit(a, i)
		return digestOf(a)
	}
	file := app(func(_ *App, i *Issuer) { i.JWKS, i.TLSCA = "/etc/keys.json", "/etc/ca.pem" })
	for name, c := range map[string]struct {
		edit  func(*App, *Issuer)
		alike bool
	}{
		"other files":          {func(_ *App, i *Issuer) { i.JWKS, i.TLSCA = "/srv/keys.json", "/srv/ca.pem" }, true},
		"keys of a URL":        {func(_ *App, i *Issuer) { i.JWKS = "https://keys.example.com/jwks" }, false},
		"another audience":     {func(_ *App, i *Issuer) { i.Audiences = []string{"shop"} }, false},
		"a policy of its name": {func(a *App, _ *Issuer) { a.Policies = nil }, false},
	} {
		if got := app(c.edit); (got == file) != c.alike {
			t.Errorf("%s: alike is %v, want %v", name, got == file, c.alike)
		}
	}
	in := func(dir string) string {
		return app(func(a *App, _ *Issuer) { a.Ledger = &Ledger{Local: &LocalLedger{Dir: dir}} })
	}
	if in("/srv/a") != in("/srv/b") {
		t.Error("ledgers in other directories differ")
	}
}
