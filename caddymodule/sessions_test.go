package caddymodule_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

type seenSession struct {
	Session, Client, Device, State string
	SignedIn                       time.Time `json:"signed_in"`
	FirstSeen                      time.Time `json:"first_seen"`
	LastSeen                       time.Time `json:"last_seen"`
	LiveRequests                   int       `json:"live_requests"`
}

// sessions is what the gateway has seen of a user, by device.
func (g *gateway) sessions(sub string) map[string]seenSession {
	g.t.Helper()
	a := g.call("reading-secret-of-the-tests", http.MethodPost, "/v1/sessions/search", map[string]string{"iss": g.issuer.URL, "sub": sub})
	var found struct{ Items []seenSession }
	if err := json.Unmarshal([]byte(a.body), &found); err != nil || a.StatusCode != 200 {
		g.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	by := make(map[string]seenSession)
	for _, s := range found.Items {
		by[s.Device] = s
	}
	if len(by) != len(found.Items) {
		g.t.Errorf("a session is there twice: %s", a.body)
	}
	return by
}

// What a search says of sessions is what the guard does with them, before and
// after a sign-out, and it counts what they have open.
func TestSessionsFollowASignOut(t *testing.T) {
	g := startStreaming(t, "")
	laptop := tokentest.Claims{"sid": "laptop-session", "device_id": "laptop"}
	phone := tokentest.Claims{"sid": nil, "device_id": "phone", "client_id": "app"}
	console := tokentest.Claims{"sid": "console-session", "device_id": "console", "client_id": "xbox-console"}
	began := time.Now().Truncate(time.Millisecond)
	streams := []*session{openSSE(1)(t, g, "alice", laptop), openSSE(2)(t, g, "alice", laptop), openSSE(1)(t, g, "alice", console)}
	phones := g.token("alice", phone)
	if a := g.get("/x", phones); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	openSSE(1)(t, g, "bob")
	expect := func(device, sid, client, state string, live int) seenSession {
		t.Helper()
		s := g.sessions("alice")[device]
		if s.Session != sid || s.Client != client || s.State != state || s.LiveRequests != live {
			t.Errorf("%s: %+v, want %s, %d live", device, s, state, live)
		}
		if s.FirstSeen.Before(began) || s.LastSeen.Before(s.FirstSeen) || s.LastSeen.After(time.Now()) || !s.SignedIn.Before(began) {
			t.Errorf("%s: %+v, begun at %s", device, s, began)
		}
		return s
	}
	before := expect("laptop", "laptop-session", "web", "active", 2)
	expect("phone", "", "app", "active", 0)
	expect("console", "console-session", "xbox-console", "active", 1)
	if n := len(g.sessions("alice")); n != 3 {
		t.Errorf("%d sessions", n)
	}

	aMinuteAgo := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"}, map[string]any{"at": aMinuteAgo})
	for _, s := range streams[:2] {
		if got := s.end(t); got != "aborted" {
			t.Errorf("a stream ended with %q", got)
		}
	}
	g.awaitLive("alice", 1) // the exempt client's
	expect("laptop", "laptop-session", "web", "signed_out", 0)
	expect("phone", "", "app", "signed_out", 0)
	expect("console", "console-session", "xbox-console", "active", 1)
	if a := g.get("/x", phones); a.StatusCode != 401 {
		t.Errorf("the phone's token gets %d", a.StatusCode)
	}

	// Whoever signs in again is in again, on that device only. The token of the
	// old sign-in, coming once more, doesn't change that.
	now := time.Now().Unix()
	for i, c := range []struct {
		claims tokentest.Claims
		status int
	}{
		{tokentest.Claims{"auth_time": now - 30, "iat": now - 30}, 200},
		{tokentest.Claims{"auth_time": now - 100, "iat": now - 90}, 401},
	} {
		if a := g.get("/x", g.token("alice", laptop, c.claims)); a.StatusCode != c.status {
			t.Errorf("token %d: %d %s", i, a.StatusCode, a.body)
		}
		after := expect("laptop", "laptop-session", "web", "active", 0)
		if !after.FirstSeen.Equal(before.FirstSeen) || !after.LastSeen.After(before.LastSeen) || after.SignedIn.Unix() != now-30 {
			t.Errorf("token %d: %+v, before it was %+v", i, after, before)
		}
	}
	expect("phone", "", "app", "signed_out", 0)
}
