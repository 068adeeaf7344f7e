//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
)

// story is one revocation, told with a person of its own: who is refused by it,
// how, and who isn't.
type story struct {
	name string
	user string
	body func(*gateway, facts) object // facts are those of the session on the laptop
	want verdicts
	// refreshed is the verdict on the laptop's session after its surviving
	// refresh token was used, later than the cut reaches.
	refreshed string
	exempt    bool // the receipt names the console as passed by
}

var stories = []story{
	{
		name: "everywhere", user: "alice",
		body:      func(g *gateway, f facts) object { return object{"target": g.target("sub", f.Subject)} },
		want:      verdicts{phone: "signed-out", laptop: "signed-out", other: "signed-out", desktop: "signed-out"},
		refreshed: "signed-out", exempt: true,
	},
	{
		name: "everywhere and the console", user: "bob",
		body: func(g *gateway, f facts) object {
			return object{"target": g.target("sub", f.Subject), "include_exempt": true}
		},
		want: verdicts{
			phone: "signed-out", laptop: "signed-out", other: "signed-out", desktop: "signed-out", console: "signed-out",
		},
		refreshed: "signed-out",
	},
	{
		name: "one client", user: "carol",
		body: func(g *gateway, f facts) object {
			return object{"target": g.target("sub", f.Subject, "client_id", "web")}
		},
		want:      verdicts{laptop: "signed-out", desktop: "signed-out"},
		refreshed: "signed-out",
	},
	{
		name: "one device", user: "dave",
		body: func(g *gateway, f facts) object {
			return object{"target": g.target("sub", f.Subject, "device_id", f.Device)}
		},
		want:      verdicts{laptop: "signed-out", other: "signed-out"},
		refreshed: "signed-out",
	},
	{
		name: "one client on one device", user: "erin",
		body: func(g *gateway, f facts) object {
			return object{"target": g.target("sub", f.Subject, "device_id", f.Device, "client_id", "web")}
		},
		want:      verdicts{laptop: "signed-out"},
		refreshed: "signed-out",
	},
	{
		name: "one session", user: "frank",
		body:      func(g *gateway, f facts) object { return object{"target": g.target("sid", f.Session)} },
		want:      verdicts{laptop: "signed-out"},
		refreshed: "signed-out",
	},
	{
		name: "one token", user: "grace",
		body:      func(g *gateway, f facts) object { return object{"target": g.target("jti", f.TokenID)} },
		want:      verdicts{laptop: "revoked"},
		refreshed: admit,
	},
	{
		name: "the console by itself", user: "judy",
		body: func(g *gateway, f facts) object {
			return object{"target": g.target("sub", f.Subject, "client_id", "xbox-console")}
		},
		want:      verdicts{console: "signed-out"},
		refreshed: admit,
	},
	{
		name: "refresh", user: "heidi",
		body: func(g *gateway, f facts) object {
			return object{"target": g.target("sub", f.Subject), "mode": "refresh"}
		},
		want:      verdicts{phone: "revoked", laptop: "revoked", other: "revoked", desktop: "revoked"},
		refreshed: admit, exempt: true,
	},
}

// TestNothingComesBack plays every kind of revocation of one person and then
// everything that may happen to a gateway. What was refused stays refused, what
// was not is admitted all along.
func TestNothingComesBack(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	people, receipts := make(map[string]cast), make(map[string]receipt)
	for _, s := range append(stories, story{user: "ivan"}) {
		people[s.user] = newCast(t, p, s.user)
	}
	check := func(t *testing.T) {
		t.Helper()
		people["ivan"].check(t, g, nil) // whom nobody has revoked
		for _, s := range stories {
			t.Run(s.name, func(t *testing.T) { people[s.user].check(t, g, s.want) })
		}
	}
	for _, s := range stories {
		people[s.user].check(t, g, nil)
	}
	for _, s := range stories {
		r := g.cut(t, s.body(g, people[s.user][laptop].facts(t)))
		if got := slices.Contains(r.ExemptClients, "xbox-console"); got != s.exempt {
			t.Errorf("%s: the receipt says that %q are exempt", s.name, r.ExemptClients)
		}
		receipts[s.user] = r
		people[s.user].check(t, g, s.want) // here means now
	}
	for _, event := range []struct {
		name  string
		apply func(*testing.T)
	}{
		{"at once", func(*testing.T) {}},
		{"after a reload", func(t *testing.T) { g.reloadsWell(t) }},
		{"after a reload that failed", func(t *testing.T) { g.reloadsBadly(t) }},
		{"after kill -9", func(t *testing.T) { g.Kill(t); g.Start(t) }},
		{"after a restart", func(t *testing.T) { g.Stop(t); g.Start(t) }},
	} {
		t.Run(event.name, func(t *testing.T) {
			event.apply(t)
			check(t)
		})
	}
	t.Run("refreshed", func(t *testing.T) {
		for _, s := range stories {
			t.Run(s.name, func(t *testing.T) {
				young := refreshedAfter(t, receipts[s.user], people[s.user][laptop])
				g.expect(t, s.refreshed, young, "/", "the refreshed token")
			})
		}
	})
	t.Run("signed in again", func(t *testing.T) {
		for _, s := range stories {
			for name, verdict := range s.want {
				if verdict == "signed-out" {
					t.Run(s.name+" "+name, func(t *testing.T) { returns(t, g, people[s.user][name], "/") })
				}
			}
		}
	})
}

// refreshedAfter uses a session's refresh token until the new token is younger
// than a cut reaches. Only then does it matter that the sign-in is not.
func refreshedAfter(t *testing.T, cut receipt, s *session) *session {
	t.Helper()
	through := cut.At.Add(clockSkew).Unix()
	eventually(t, skewPassed, "a refreshed token is younger than the cut", func() error {
		s = s.refreshed(t)
		if iat := s.facts(t).IssuedAt; iat <= through {
			return fmt.Errorf("it was issued at %d, the cut reaches through %d", iat, through)
		}
		return nil
	})
	return s
}
