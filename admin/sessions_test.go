package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

type foundSessions struct {
	Node       string
	Items      []map[string]any
	Incomplete bool
	NextCursor *string `json:"next_cursor"`
}

// sessions is what a search answers.
func (g *gateway) sessions(body object) foundSessions {
	g.Helper()
	for name, value := range (object{"iss": issuer, "sub": "alice"}) {
		if _, given := body[name]; !given {
			body[name] = value
		}
	}
	var f foundSessions
	g.as(readToken).post("/v1/sessions/search", text(body)).want(200).into(&f)
	return f
}

// present has the gateway see a token of alice, signed in ten minutes ago and
// issued one minute ago unless change says otherwise.
func (g *gateway) present(session string, change ...func(*revocation.Credential)) *revocation.Credential {
	now := g.now().Unix()
	c := &revocation.Credential{
		Issuer: issuer, Subject: "alice", Client: "web", Session: session, Device: "pc", TokenID: "jti-" + session + canary, KeyID: "kid" + canary,
		AuthTime: now - 600, IssuedAt: now - 60, ExpiresAt: now + 300, ACR: "pwd", AMR: []string{"pwd"}, Scope: []string{canary},
	}
	for _, do := range change {
		if do != nil {
			do(c)
		}
	}
	c.Seal()
	g.seen.Note(c)
	return c
}

func TestSessions(t *testing.T) {
	live := make(map[*revocation.Credential]int)
	g := newGateway(t, func(c *Config) {
		c.EachLiveRequest = func(t revocation.Target, f func(*revocation.Credential)) {
			for c, n := range live {
				for range n {
					if t.Matcher()(c) {
						f(c)
					}
				}
			}
		}
	})
	g.seen.Now = g.now
	g.pass(time.Until(g.now().Truncate(time.Hour).Add(time.Hour)))
	start := g.now()
	s1 := g.present("s1")
	g.pass(time.Second)
	bare := g.present("", func(c *revocation.Credential) { c.Device, c.AuthTime = "", 0 })
	g.present("s1", func(c *revocation.Credential) { c.Subject = "bob" })
	g.pass(1234 * time.Millisecond)
	g.present("s1")
	phone := g.present("s1", func(c *revocation.Credential) { c.Device = "phone" })
	live[s1], live[bare], live[phone] = 2, 1, 0

	instant := func(d time.Duration) string { return start.Add(d).UTC().Format("2006-01-02T15:04:05.000Z") }
	signedIn := time.Unix(g.now().Unix()-600, 0).Sub(start)
	want := []map[string]any{
		{
			"session": "s1", "client": "web", "device": "phone", "signed_in": instant(signedIn),
			"first_seen": instant(2234 * time.Millisecond), "last_seen": instant(2234 * time.Millisecond), "live_requests": 0.0, "state": "active",
		},
		nil,
		{"client": "web", "first_seen": instant(time.Second), "last_seen": instant(time.Second), "live_requests": 1.0, "state": "active"},
	}
	want[1] = maps.Clone(want[0])
	want[1]["device"], want[1]["first_seen"], want[1]["live_requests"] = "pc", instant(0), 2.0
	got := g.sessions(object{})
	if text(got.Items) != text(want) || got.NextCursor != nil || got.Incomplete || got.Node != "edge-1/t" {
		t.Errorf("got %+v\nwant %s", got, text(want))
	}
	for name, c := range map[string]struct {
		body object
		want int
	}{
		"a client":        {object{"client": "web"}, 3},
		"another client":  {object{"client": "app"}, 0},
		"a session":       {object{"session": "s1"}, 2},
		"another session": {object{"session": "s2", "client": "web"}, 0},
		"somebody else":   {object{"sub": "carol"}, 0},
		"another issuer":  {object{"iss": otherIssuer}, 0},
	} {
		if got := g.sessions(c.body); len(got.Items) != c.want || got.Items == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if all := g.log.String() + text(got); strings.Contains(all, canary) {
		t.Errorf("a token's own facts get out: %s", all)
	}
	if log := g.log.String(); strings.Contains(log, "alice") || strings.Contains(log, "s1") || !strings.Contains(log, "search-sessions") {
		t.Errorf("the audit: %s", log)
	}
}

// The state is what a guard would say to the newest token of the session.
func TestStatesOfSessions(t *testing.T) {
	target := func(members ...string) object {
		var o object
		if err := json.Unmarshal([]byte(onTargetOf(members...)), &o); err != nil {
			panic(err)
		}
		return o
	}
	with := func(o object, name string, value any) object {
		o[name] = value
		return o
	}
	for _, c := range []struct {
		name, path string
		body       object
		token      func(*revocation.Credential)
		want       string
	}{
		{name: "nothing", want: "active"},
		{name: "user", path: "revocations", body: target("iss", issuer, "sub", "alice"), want: "signed_out"},
		{name: "session", path: "revocations", body: target("iss", issuer, "sid", "s"), want: "signed_out"},
		{name: "device", path: "devices/unlink", body: object{"iss": issuer, "sub": "alice", "device_id": "pc"}, want: "signed_out"},
		{name: "refresh", path: "revocations", body: with(target("iss", issuer, "sub", "alice"), "mode", "refresh"), want: "revoked"},
		{name: "its token", path: "revocations", body: target("iss", issuer, "jti", "jti-s"+canary), want: "revoked"},
		{name: "block", path: "blocks", body: target("iss", issuer, "sub", "alice", "client_id", "web"), want: "blocked"},
		{name: "step-up", path: "step-ups", body: target("iss", issuer, "sub", "alice"), want: "step_up_required"},
		{name: "step-up elsewhere", path: "step-ups", body: with(target("iss", issuer, "sub", "alice"), "routes", "sensitive"), want: "active"},
		{name: "other's session", path: "revocations", body: target("iss", issuer, "sid", "t"), want: "active"},
		{
			name: "exempt", path: "revocations", body: target("iss", issuer, "sub", "alice"), want: "active",
			token: func(c *revocation.Credential) { c.Client = "xbox-console" },
		},
		{name: "expired", token: func(c *revocation.Credential) { c.ExpiresAt = c.IssuedAt + 1 }, want: "expired"},
		{name: "over its lifetime", token: func(c *revocation.Credential) { c.IssuedAt -= 29 * 3600 }, want: "expired"},
		{
			name: "signed out and expired", path: "revocations", body: target("iss", issuer, "sub", "alice"), want: "signed_out",
			token: func(c *revocation.Credential) { c.ExpiresAt = c.IssuedAt + 1 },
		},
		{name: "over retention", token: func(c *revocation.Credential) { c.AuthTime -= 91 * 24 * 3600 }, want: "signed_out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t)
			g.present("s", c.token)
			if c.path != "" {
				g.post("/v1/"+c.path, text(c.body)).want(201)
			}
			if got := g.sessions(object{}); len(got.Items) != 1 || got.Items[0]["state"] != c.want {
				t.Errorf("got %+v, want %s", got.Items, c.want)
			}
		})
	}
}

// A sign-in ends a sign-out, a stronger one satisfies a step-up, and what was
// copied before and comes again says nothing of it.
func TestStateFollowsTheNewestToken(t *testing.T) {
	g := newGateway(t)
	state := func() string {
		t.Helper()
		return fmt.Sprint(g.sessions(object{}).Items[0]["state"])
	}
	old := g.present("s")
	g.post("/v1/revocations", alice()).want(201)
	g.post("/v1/step-ups", text(object{"target": object{"iss": issuer, "sub": "alice"}, "amr": []string{"hwk"}})).want(201)
	if got := state(); got != "signed_out" {
		t.Errorf("after the sign-out: %s", got)
	}
	g.pass(time.Minute)
	again := func(c *revocation.Credential) { c.AuthTime, c.IssuedAt = g.now().Unix(), g.now().Unix() }
	g.present("s", again)
	if got := state(); got != "step_up_required" {
		t.Errorf("after the sign-in: %s", got)
	}
	g.present("s", again, func(c *revocation.Credential) { c.AMR = []string{"pwd", "hwk"} })
	if got := state(); got != "active" {
		t.Errorf("after the stronger sign-in: %s", got)
	}
	g.seen.Note(old)
	if got := state(); got != "active" {
		t.Errorf("when the old token came again: %s", got)
	}
}

// A node that can't vouch for anything says so of everything.
func TestStatesWithoutALedger(t *testing.T) {
	g := newGateway(t)
	g.present("s")
	if err := g.node.Close(); err != nil {
		t.Fatal(err)
	}
	if got := g.sessions(object{}).Items[0]["state"]; got != "not_ready" {
		t.Errorf("got %v", got)
	}
}

// Every standing that a policy can have without requirements is documented.
func TestStatesAreDocumented(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas struct {
				Session struct {
					Properties struct {
						State struct{ Enum []string }
					}
				}
			}
		}
	}
	newGateway(t).do("GET", "/openapi.json", "").want(200).into(&doc)
	want := []string{active, expired}
	for _, r := range policy.Reasons() {
		switch r {
		case policy.NoCredential, policy.AmbiguousCredential, policy.CrossSite, policy.InvalidToken, policy.InsufficientScope, policy.ClaimMissing:
			continue // of a request, or of a route's requirements
		}
		want = append(want, stateFor(r))
	}
	if got := doc.Components.Schemas.Session.Properties.State.Enum; !slices.Equal(got, want) {
		t.Errorf("documented %q, want %q", got, want)
	}
}

func TestPagesOfSessions(t *testing.T) {
	g := newGateway(t)
	g.seen.Limit = 8
	for i := range 9 { // the first is forgotten
		g.present(fmt.Sprint("s", i))
	}
	var sids []string
	for body := (object{"limit": 3}); ; {
		f := g.sessions(body)
		if !f.Incomplete {
			t.Error("that one was forgotten is not said")
		}
		for _, item := range f.Items {
			sids = append(sids, item["session"].(string))
		}
		if f.NextCursor == nil {
			break
		}
		body["cursor"] = *f.NextCursor
		g.present("s8") // moves to the front
	}
	if want := "[s8 s7 s6 s5 s4 s3 s2 s1]"; fmt.Sprint(sids) != want {
		t.Errorf("found %v, want %s", sids, want)
	}
}

// T7: a cursor is what this process made for this very search.
func TestT7CursorsOfSessions(t *testing.T) {
	g := newGateway(t)
	g.present("s1")
	g.present("s2")
	ask := func(path string, body object) *reply { return g.post(path, text(body)) }
	asked := func(name string, value any) object {
		return object{"iss": issuer, "sub": "alice", "limit": 1, name: value}
	}
	good := *g.sessions(object{"limit": 1}).NextCursor
	ask("/v1/sessions/search", asked("cursor", good)).want(200)
	for _, cursor := range []string{good + "A", good[1:], strings.ToUpper(good), strings.Repeat("A", len(good)), "x"} {
		ask("/v1/sessions/search", asked("cursor", cursor)).want(400, "invalid-request")
	}
	for name, value := range (object{"sub": "bob", "iss": otherIssuer, "client": "web", "session": "s1"}) {
		body := asked("cursor", good)
		body[name] = value
		ask("/v1/sessions/search", body).want(400, "invalid-request")
	}
	ask("/v1/revocations/search", asked("cursor", good)).want(400, "invalid-request")
	g.post("/v1/revocations", alice()).want(201)
	g.post("/v1/revocations", alice()).want(201)
	var f found
	ask("/v1/revocations/search", asked("limit", 1)).want(200).into(&f)
	ask("/v1/sessions/search", asked("cursor", *f.NextCursor)).want(400, "invalid-request")
}

func TestSessionsAreAskedForStrictly(t *testing.T) {
	g := newGateway(t)
	for body, want := range map[string]int{
		`{}`:                                                   422,
		text(object{"sub": "alice"}):                           422,
		text(object{"iss": issuer}):                            422,
		text(object{"iss": issuer, "sub": ""}):                 422,
		text(object{"iss": issuer, "sub": nil}):                400,
		text(object{"iss": issuer, "sub": "a", "sid": "x"}):    400,
		text(object{"iss": issuer, "sub": "a", "limit": 0}):    422,
		text(object{"iss": issuer, "sub": "a", "limit": 1001}): 422,
		text(object{"iss": issuer, "sub": "a", "session": ""}): 422,
		`{"iss":"` + issuer + `","sub":"a","sub":"b"}`:         400,
		`{"iss":"` + issuer + `","sub":"a","Sub":"b"}`:         400,
	} {
		g.post("/v1/sessions/search", body).want(want, "invalid-request")
	}
	for _, unknown := range []string{"https://login.example.com/", "x"} {
		g.post("/v1/sessions/search", text(object{"iss": unknown, "sub": "alice"})).want(422, "unknown-issuer")
	}
}
