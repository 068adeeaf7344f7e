package admin

import (
	"testing"
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/revocation"
)

// A cut, and a step-up, hits what was verified before it though the clock is
// behind; what was asked for can only move the instant back.
func TestAWriteIsNoEarlierThanWhatWasVerified(t *testing.T) {
	g := newGateway(t)
	g.pass(20 * time.Minute) // since the ledger began
	signedIn := g.now().Truncate(time.Second)
	verified := func(iss string, at time.Time) {
		c := revocation.Credential{Issuer: iss, Subject: "alice", IssuedAt: at.Unix() - 60, AuthTime: at.Unix()}
		c.Seal()
		g.node.Verified(&c)
	}
	verified(issuer, signedIn)
	verified(otherIssuer, signedIn.Add(-5*time.Minute))
	g.pass(-10 * time.Minute)
	at := func(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }
	for _, c := range []struct {
		name, path string
		body       object
		want       time.Time
	}{
		{"another issuer", "/v1/revocations", object{"target": object{"iss": otherIssuer, "sub": "a"}}, signedIn.Add(-5 * time.Minute)},
		{"a cut", "/v1/revocations", object{"target": object{"iss": issuer, "sub": "a"}}, signedIn},
		{"a session", "/v1/revocations", object{"target": object{"iss": issuer, "sid": "s"}}, signedIn},
		{"a refresh cut", "/v1/revocations", object{"target": object{"iss": issuer, "sub": "a"}, "mode": "refresh"}, signedIn},
		{"an unlink", "/v1/devices/unlink", object{"iss": issuer, "sub": "a", "device_id": "d"}, signedIn},
		{"a step-up", "/v1/step-ups", object{"target": object{"iss": issuer, "sub": "a"}, "acr": []string{"mfa"}}, signedIn},
		{"a bound key", "/v1/revocations", object{"target": object{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, "mode": "sign_in"}, signedIn},
		{"dated back", "/v1/revocations", object{"target": object{"iss": issuer, "sub": "a"}, "at": at(signedIn.Add(-time.Hour))}, signedIn.Add(-time.Hour)},
		{"dated by others", "/v1/revocations", object{"target": object{"iss": issuer, "sub": "a"}, "at": at(signedIn)}, signedIn},
		{"dated later", "/v1/revocations", object{"target": object{"iss": issuer, "sub": "a"}, "at": at(signedIn.Add(2 * time.Second))}, signedIn},
	} {
		g.memory.writes = httpapi.Quota{}
		g.post(c.path, text(c.body)).want(201)
		r := g.last()
		if r.At != c.want.UnixMilli() || r.Through != c.want.Unix()+2 || r.Time != g.now().UnixMilli() {
			t.Errorf("%s: at %s, want %s; %+v", c.name, time.UnixMilli(r.At), c.want, r)
		}
	}
	g.post("/v1/revocations", text(object{"target": object{"iss": issuer, "sub": "a"}, "at": at(signedIn.Add(2*time.Second + time.Millisecond))})).want(400, "invalid-request")
	g.post("/v1/revocations", text(object{"target": object{"iss": issuer, "jti": "j"}})).want(201)
	if r := g.last(); r.Through != signedIn.Unix()+2 {
		t.Errorf("a token's cut expires too early: %+v", r)
	}
}

// A record of a clock that was far ahead locks out whom it signs out, and nobody
// else; one that was ahead a little is taken over.
func TestAClockThatWasAheadLocksNobodyElseOut(t *testing.T) {
	for ahead, taken := range map[time.Duration]bool{time.Hour: true, time.Hour + time.Second: false, 1000 * time.Hour: false} {
		g := newGateway(t)
		g.pass(ahead)
		g.post("/v1/revocations", text(object{"target": object{"iss": issuer, "sub": "alice"}})).want(201)
		wrong := g.last().At
		g.pass(-ahead)
		g.memory.writes = httpapi.Quota{}
		g.post("/v1/revocations", text(object{"target": object{"iss": issuer, "sub": "bob"}})).want(201)
		if at := g.last().At; (at == wrong) != taken || !taken && at != g.now().UnixMilli() {
			t.Errorf("ahead by %s: bob is signed out until %s after now", ahead, time.UnixMilli(at).Sub(g.now()))
		}
	}
}
