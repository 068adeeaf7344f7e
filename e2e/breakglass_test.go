//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"testing"

	"curfew.dev/curfew/adminclient"
)

// TestBreakGlass revokes what reaches more than one account: a device whoever
// uses it, an organisation, a client, a signing key, everyone.
func TestBreakGlass(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	alice, grace := newCast(t, p, "alice"), newCast(t, p, "grace") // of two organisations
	shared := newBrowser(t, p, "bob", "laptop-of-alice").signIn(t, "web")
	on := alice[laptop].facts(t)
	for _, test := range []struct {
		name     string
		target   []string
		why      string
		ofAlice  []string // who of a cast is refused
		ofGrace  []string
		ofBob    bool
		accounts int // at least
		exempt   bool
	}{
		{
			name: "a device, whoever uses it", target: []string{"device_id", on.Device}, why: "signed-out",
			ofAlice: []string{laptop, other}, ofBob: true, accounts: 2,
		},
		{
			name: "an organisation", target: []string{"tenant", "contoso"}, why: "signed-out",
			ofAlice: []string{phone, laptop, other, desktop}, ofBob: true, accounts: 2, exempt: true,
		},
		{
			name: "a client", target: []string{"client_id", "xbox-console"}, why: "signed-out",
			ofAlice: []string{console}, ofGrace: []string{console}, accounts: 2,
		},
		{
			name: "everyone", target: nil, why: "signed-out",
			ofAlice: []string{phone, laptop, other, desktop}, ofGrace: []string{phone, laptop, other, desktop}, ofBob: true,
			accounts: 3, exempt: true,
		},
		{
			name: "a signing key", target: []string{"kid", on.KeyID}, why: "revoked",
			ofAlice: []string{phone, laptop, other, desktop, console},
			ofGrace: []string{phone, laptop, other, desktop, console}, ofBob: true, accounts: 3,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, p, config{})
			check := func(cut bool) {
				t.Helper()
				alice.check(t, g, refusing(cut, test.why, test.ofAlice))
				grace.check(t, g, refusing(cut, test.why, test.ofGrace))
				cast{"a shared laptop": shared}.check(t, g, refusing(cut && test.ofBob, test.why, []string{"a shared laptop"}))
			}
			check(false) // the gateway now knows whom a preview would count
			body := object{"target": g.target(test.target...), "reason": "incident 4711"}
			shown := g.preview(t, body)
			if shown.Accounts < test.accounts || slices.Contains(shown.ExemptClients, "xbox-console") != test.exempt {
				t.Errorf("the preview shows %+v, want %d accounts or more, exempt: %t", shown, test.accounts, test.exempt)
			}
			refusesToBreak(t, g, body, shown)
			check(false)
			g.cut(t, body)
			check(true)
			g.Kill(t)
			g.Start(t)
			check(true)
		})
	}
}

func refusing(cut bool, why string, names []string) verdicts {
	v := make(verdicts)
	if cut {
		for _, name := range names {
			v[name] = why
		}
	}
	return v
}

// refusesToBreak tries what must not suffice.
func refusesToBreak(t *testing.T, g *gateway, body object, shown adminclient.Preview) {
	t.Helper()
	with := func(more object) object {
		merged := object{}
		for _, o := range []object{body, more} {
			for k, v := range o {
				merged[k] = v
			}
		}
		return merged
	}
	for _, test := range []struct {
		name    string
		role    string
		body    object
		status  int
		problem string
	}{
		{"a smaller role", "write", with(object{"preview_id": shown.ID}), http.StatusForbidden, "forbidden"},
		{"no preview", "break_glass", body, http.StatusConflict, "preview-required"},
		{"another's preview", "break_glass", with(object{"preview_id": shown.ID, "mode": otherMode(body)}), 0, ""},
		{
			"more accounts than it may", "break_glass", with(object{"preview_id": shown.ID, "max_affected": shown.Accounts - 1}),
			http.StatusConflict, "preview-exceeded",
		},
	} {
		a := g.as(test.role).call(t, http.MethodPost, "/v1/revocations", test.body)
		if test.status == 0 { // refused, and which of the reasons comes first is not ours to say
			if a.status < 400 || a.status >= 500 {
				t.Errorf("%s: %d %s", test.name, a.status, a.body)
			}
			continue
		}
		if got := a.problem(t); a.status != test.status || got != test.problem {
			t.Errorf("%s: %d %s, want %d %s", test.name, a.status, got, test.status, test.problem)
		}
	}
}

// otherMode is a mode for which the preview was not made.
func otherMode(body object) string {
	if _, ok := body["target"].(object)["kid"]; ok {
		return "sign_in"
	}
	return "refresh"
}
