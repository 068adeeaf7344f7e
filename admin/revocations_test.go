package admin

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/revocation"
)

func TestRevoke(t *testing.T) {
	g := newGateway(t)
	got := g.as(writeToken).post("/v1/revocations", text(object{
		"target": object{"iss": issuer, "sub": "alice"}, "reason": "lost phone", "on_behalf_of": "agent-42", "wait": "2s",
	})).want(201)
	receipt := got.receipt()
	if got.Header().Get("Location") != "/v1/revocations/"+receipt.ID || got.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("headers %v", got.Header())
	}
	if receipt.Mode != "sign_in" || receipt.Source != "admin" || receipt.Actor != "helpdesk" || receipt.Reason != "lost phone" ||
		receipt.OnBehalfOf != "agent-42" || receipt.Enforcement.State != "enforced" || receipt.Durability != "verified" ||
		!slices.Equal(receipt.ExemptClients, []string{"a-console", "xbox-console"}) || receipt.Target.Subject != "alice" {
		t.Errorf("receipt %s", got.Body)
	}
	r := g.last()
	now := g.now().Truncate(time.Millisecond)
	if r.At != now.UnixMilli() || r.Time != now.UnixMilli() || r.Through != now.Add(2*time.Second).Unix() || r.Keep != 90*24*3600 ||
		r.Remote != "192.0.2.1" || r.RequestID != got.Header().Get("X-Request-Id") {
		t.Errorf("record %+v", r)
	}
	if !g.refused(revocation.Credential{Issuer: issuer, Subject: "alice", Client: "web"}) {
		t.Error("alice is admitted")
	}
	if g.refused(revocation.Credential{Issuer: issuer, Subject: "alice", Client: "xbox-console"}) {
		t.Error("the exempt client is refused")
	}
	if again := g.as(readToken).do("GET", got.Header().Get("Location"), "").want(200); again.Body.String() != got.Body.String() {
		t.Errorf("got %s, want %s", again.Body, got.Body)
	}
}

func TestIncludeExempt(t *testing.T) {
	g := newGateway(t)
	got := g.post("/v1/revocations", text(object{"target": object{"iss": issuer, "sub": "alice"}, "include_exempt": true})).want(201)
	if len(got.receipt().ExemptClients) != 0 || !g.refused(revocation.Credential{Issuer: issuer, Subject: "alice", Client: "xbox-console"}) {
		t.Error("the exempt client was passed by")
	}
	// A target that names less than all of a user's clients means it.
	if got := g.post("/v1/revocations", onTargetOf("iss", issuer, "sub", "bob", "client_id", "xbox-console")).receipt(); len(got.ExemptClients) != 0 {
		t.Errorf("exempt %v", got.ExemptClients)
	}
}

func TestTargetsThatAreRefused(t *testing.T) {
	g := newGateway(t)
	for _, c := range []struct {
		target  object
		status  int
		problem string
		detail  string
	}{
		{object{}, 422, "invalid-target", "nobody"},
		{object{"sub": "a"}, 422, "invalid-target", "{iss, sub}"},
		{object{"iss": issuer, "sub": "a", "sid": "s"}, 422, "invalid-target", "nearest"},
		{object{"iss": issuer, "jkt": "k"}, 422, "invalid-target", "{jkt}"},
		{object{"iss": issuer, "sub": strings.Repeat("a", 256)}, 422, "invalid-target", "255"},
		{object{"iss": issuer, "sid": strings.Repeat("a", 1025)}, 422, "invalid-target", "1024"},
		{object{"iss": issuer + "/", "sub": "a"}, 422, "unknown-issuer", issuer + ", " + otherIssuer},
		{object{"iss": strings.ToUpper(issuer), "sub": "a"}, 422, "unknown-issuer", issuer},
		{object{"iss": otherIssuer, "sub": "a", "device_id": "d"}, 422, "unenforceable", "{iss, sub}"},
		{object{"iss": otherIssuer, "device_id": "d"}, 422, "unenforceable", "{iss, sub}"},
		{object{"iss": otherIssuer, "tenant": "t"}, 422, "unenforceable", "{iss}"},
		{object{"iss": issuer, "sub": ""}, 422, "invalid-request", "/target/sub"},
		{object{"iss": issuer, "sub": nil}, 400, "invalid-request", "/target/sub"},
		{object{"iss": "", "jkt": "k"}, 422, "invalid-request", "/target/iss"},
		{object{"iss": issuer, "sub": 1}, 422, "invalid-request", "/target/sub"},
		{object{"iss": issuer, "sub": []string{"a"}}, 422, "invalid-request", "/target/sub"},
		{object{"iss": issuer, "Sub": "a"}, 400, "invalid-request", "/target/Sub"},
		{object{"iss": issuer, "user": "a"}, 400, "invalid-request", "/target/user"},
	} {
		for _, path := range []string{"/v1/revocations", "/v1/revocations/preview", "/v1/blocks", "/v1/step-ups"} {
			p := g.post(path, text(object{"target": c.target})).want(c.status, c.problem).problem()
			if !strings.Contains(p.Detail, c.detail) || len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Pointer, "/target") {
				t.Errorf("%s %v: %+v, want %q", path, c.target, p, c.detail)
			}
		}
	}
	g.post("/v1/devices/unlink", text(object{"iss": otherIssuer, "sub": "a", "device_id": "d"})).want(422, "unenforceable")
	for _, body := range []string{`{}`, `{"target":null}`, `{"target":"x"}`, `{"target":[]}`} {
		if got := g.post("/v1/revocations", body); got.Code != 400 && got.Code != 422 {
			t.Errorf("%s: %d", body, got.Code)
		}
	}
	if g.count() != 1 {
		t.Error("something was written")
	}
}

func TestModes(t *testing.T) {
	g := newGateway(t)
	token, key := []string{"iss", issuer, "jti", "j"}, []string{"jkt", "k"}
	person := []string{"iss", issuer, "sub", "s"}
	for _, c := range []struct {
		target []string
		mode   string
		status int
		got    string
		keep   int64
	}{
		{person, "", 201, "sign_in", 90 * 24 * 3600},
		{person, "sign_in", 201, "sign_in", 90 * 24 * 3600},
		{person, "refresh", 201, "refresh", 28 * 3600},
		{person, "final", 422, "", 0},
		{[]string{"iss", issuer, "sid", "s"}, "", 201, "sign_in", 0},
		{[]string{"iss", issuer, "sid", "s"}, "final", 422, "", 0},
		{[]string{"iss", issuer, "sub", "s", "device_id", "d"}, "final", 422, "", 0},
		{token, "", 201, "final", 28 * 3600},
		{token, "final", 201, "final", 28 * 3600},
		{token, "sign_in", 422, "", 0},
		{token, "refresh", 422, "", 0},
		{key, "", 201, "final", 0},
		{key, "sign_in", 201, "sign_in", 90 * 24 * 3600},
		{key, "refresh", 201, "refresh", 28 * 3600},
		{person, "Sign_in", 422, "", 0},
		{person, "forever", 422, "", 0},
	} {
		target := object{}
		for i := 0; i < len(c.target); i += 2 {
			target[c.target[i]] = c.target[i+1]
		}
		body := object{"target": target}
		if c.mode != "" {
			body["mode"] = c.mode
		}
		got := g.post("/v1/revocations", text(body)).want(c.status)
		if c.status == 201 && (got.receipt().Mode != c.got || g.last().Keep != c.keep) {
			t.Errorf("%v %q: mode %s, keep %d", c.target, c.mode, got.receipt().Mode, g.last().Keep)
		}
	}
}

func TestInstants(t *testing.T) {
	g := newGateway(t)
	at := func(d time.Duration) string { return g.now().Add(d).UTC().Format(time.RFC3339Nano) }
	for _, c := range []struct {
		at      string
		mode    string
		status  int
		problem string
	}{
		{at(0), "sign_in", 201, ""},
		{at(2 * time.Second), "sign_in", 201, ""},
		{at(2*time.Second + 2*time.Millisecond), "sign_in", 400, "invalid-request"},
		{at(-90*24*time.Hour + time.Second), "sign_in", 201, ""},
		{at(-90*24*time.Hour - time.Second), "sign_in", 400, "invalid-request"},
		{at(time.Hour * 24 * 365 * 100), "sign_in", 400, "invalid-request"},
		{"yesterday", "sign_in", 422, "invalid-request"},
		{"2026-02-30T00:00:00Z", "sign_in", 422, "invalid-request"},
	} {
		got := g.post("/v1/revocations", text(object{"target": object{"iss": issuer, "sub": "a"}, "at": c.at, "mode": c.mode}))
		if c.problem == "" {
			got.want(c.status)
			continue
		}
		if p := got.want(c.status, c.problem).problem(); len(p.Errors) == 0 || p.Errors[0].Pointer != "/at" {
			t.Errorf("%s: %+v", c.at, p)
		}
	}
	// Kept for a token's lifetime from its instant on, it would expire too early.
	g.post("/v1/revocations", text(object{"target": object{"iss": issuer, "jti": "j"}, "at": at(-time.Hour)})).want(422, "invalid-mode")
	past := g.now().Add(-time.Hour)
	g.post("/v1/revocations", text(object{"target": object{"iss": issuer, "sub": "b"}, "at": at(-time.Hour)})).want(201)
	if r := g.last(); r.At != past.UnixMilli() || r.Through != past.Truncate(time.Millisecond).Add(2*time.Second).Unix() || r.Time != g.now().UnixMilli() {
		t.Errorf("record %+v", r)
	}
}

func TestLimitsAreTold(t *testing.T) {
	g := newGateway(t)
	body := object{"target": object{"iss": otherIssuer, "sub": "a"}}
	if got := g.post("/v1/revocations", text(body)).receipt().Limits; !slices.Equal(got, []string{"no_auth_time"}) {
		t.Errorf("limits %v", got)
	}
	if got := g.previewed(text(body)).Limits; !slices.Equal(got, []string{"no_auth_time"}) {
		t.Errorf("limits of the preview %v", got)
	}
	if got := g.post("/v1/step-ups", text(body)).receipt().Limits; !slices.Equal(got, []string{"no_auth_time"}) {
		t.Errorf("limits of the step-up %v", got)
	}
	body["mode"] = "refresh"
	if got := g.post("/v1/revocations", text(body)).receipt().Limits; len(got) != 0 {
		t.Errorf("limits %v", got)
	}
	if got := g.post("/v1/revocations", alice()).receipt().Limits; len(got) != 0 {
		t.Errorf("limits %v", got)
	}
}

// T4: identifiers are bytes. Nothing near is hit, nothing is a pattern.
func TestT4SubjectsAreExact(t *testing.T) {
	alike := []string{
		"alice", "Alice", "alice ", " alice", "al\u0131ce", "alice\u200b", "caf\u00e9", "cafe\u0301", "stra\u00dfe", "strasse", "\u0130stanbul", "istanbul",
		"*", ".*", "%", ">", "{env.HOME}", "{http.request.host}", "../../etc", "a/b", "a%2fb", "a.b", "null", "0", "a@b@c", "a|b", "\x00", "a\x00", "\U0001F600",
		strings.Repeat("x", 255), strings.Repeat("x", 254),
	}
	for _, subject := range alike {
		t.Run(fmt.Sprintf("%.20q", subject), func(t *testing.T) {
			g := newGateway(t)
			g.post("/v1/revocations", onTargetOf("iss", issuer, "sub", subject)).want(201)
			for _, other := range alike {
				if got := g.refused(revocation.Credential{Issuer: issuer, Subject: other}); got != (other == subject) {
					t.Errorf("revoking %q: %q refused: %v", subject, other, got)
				}
			}
			if g.refused(revocation.Credential{Issuer: otherIssuer, Subject: subject}) {
				t.Error("the other issuer's subject is refused")
			}
		})
	}
}

func TestT4HalfACharacterIsRefused(t *testing.T) {
	g := newGateway(t)
	// Decoded, both would be the same replacement character.
	for _, escape := range []string{`\ud800`, `\udfff`, `\ud800\ud800`} {
		g.post("/v1/revocations", `{"target":{"iss":"`+issuer+`","sub":"`+escape+`"}}`).want(400, "invalid-request")
	}
}

// T6: what callers may not set, repeat or misspell is refused everywhere.
func TestT6StrictMembers(t *testing.T) {
	g := newGateway(t)
	for path, valid := range everyPost() {
		for _, member := range []string{
			"id", "position", "source", "actor", "time", "seq", "created_at", "through", "keep", "exempt_clients", "limits", "remote",
			"request_id", "type", "enforcement", "durability", "role", "$schema", "", "__proto__", "include_exempts",
		} {
			body := strings.TrimSuffix(valid, "}") + `,` + text(member) + `:"x"}`
			body = strings.Replace(body, "{,", "{", 1)
			p := g.post(path, body).want(400, "invalid-request").problem()
			if len(p.Errors) != 1 || p.Errors[0].Pointer != "/"+member {
				t.Errorf("%s %q: %+v", path, member, p.Errors)
			}
		}
		first, _, ok := strings.Cut(strings.TrimPrefix(valid, "{"), ":")
		if !ok {
			continue
		}
		for _, body := range []string{
			strings.TrimSuffix(valid, "}") + "," + first + `:"x"}`,
			strings.Replace(valid, first, strings.ToUpper(first), 1),
			strings.TrimSuffix(valid, "}") + "," + strings.ToUpper(first) + `:"x"}`,
		} {
			p := g.post(path, body).want(400, "invalid-request").problem()
			if len(p.Errors) != 1 || !strings.EqualFold(p.Errors[0].Pointer, "/"+strings.Trim(first, `"`)) {
				t.Errorf("%s %s: %+v", path, body, p.Errors)
			}
		}
	}
	g.post("/v1/revocations", `{"target":{"iss":"`+issuer+`","sub":"a","sub":"b"}}`).want(400, "invalid-request")
	if g.count() != 1 {
		t.Error("something was written")
	}
}

// T9: nothing that callers write can forge a line.
func TestT9ControlCharacters(t *testing.T) {
	g := newGateway(t)
	for _, text9 := range []string{"a\nb", "a\rb", "\x1b[31m", "\x00", "\x7f", "\u0085", "\u2028", "\u2029", "\u202e", "\ufffd"} {
		for _, member := range []string{"reason", "on_behalf_of"} {
			for _, path := range []string{"/v1/revocations", "/v1/blocks", "/v1/step-ups"} {
				p := g.post(path, text(object{"target": object{"iss": issuer, "sub": "a"}, member: text9})).want(400, "invalid-request").problem()
				if p.Errors[0].Pointer != "/"+member {
					t.Errorf("%+v", p)
				}
			}
		}
		g.post("/v1/devices/unlink", text(object{"iss": issuer, "sub": "a", "device_id": "d", "reason": text9})).want(400)
	}
	g.post("/v1/revocations", text(object{"target": object{"iss": issuer, "sub": "a"}, "reason": strings.Repeat("x", 1025)})).want(400)
	g.post("/v1/revocations", text(object{"target": object{"iss": issuer, "sub": "a"}, "reason": `{"level":"error","caller":"` + canary + `"}`})).want(201)
	g.post("/v1/revocations", onTargetOf("iss", issuer, "sub", "x\n{\"caller\":\""+canary+"\"}")).want(201)
	g.post("/v1/explain", `{"token":"`+canary+`"}`).want(200)
	g.post("/v1/explain", `{"token":"broken"}`).want(500, "internal")
	if s := g.log.String(); strings.Contains(s, canary) {
		t.Errorf("the audit holds what callers wrote: %s", s)
	}
	if lines := strings.Count(g.log.String(), "\n"); lines != 8*0+10*(6+1)+5 {
		t.Errorf("%d audit lines", lines)
	}
}

func TestUnlink(t *testing.T) {
	g := newGateway(t)
	got := g.as(writeToken).post("/v1/devices/unlink", text(object{"iss": issuer, "sub": "a", "device_id": "d", "reason": "sold"})).want(201)
	if r := g.last(); r.Type != revocation.Cut || r.Mode != revocation.SignIn || r.Target.Device != "d" || r.Reason != "sold" || len(r.ExemptClients) != 0 {
		t.Errorf("record %+v", r)
	}
	g.do("GET", got.Header().Get("Location"), "").want(200)
	if g.refused(revocation.Credential{Issuer: issuer, Subject: "a", Device: "e"}) || !g.refused(revocation.Credential{Issuer: issuer, Subject: "a", Device: "d"}) {
		t.Error("the wrong device was unlinked")
	}
}

func TestWaitIsChecked(t *testing.T) {
	g := newGateway(t)
	block, stepUp := g.post("/v1/blocks", alice()).receipt().ID, g.post("/v1/step-ups", alice()).receipt().ID
	for wait, status := range map[string]int{"8s": 201, "0s": 201, "8001ms": 400, "-1s": 400, "soon": 400, "1": 400} {
		onAlice := text(object{"target": object{"iss": issuer, "sub": "a"}, "wait": wait})
		for path, body := range map[string]string{
			"/v1/revocations": onAlice, "/v1/blocks": onAlice, "/v1/step-ups": onAlice,
			"/v1/devices/unlink": text(object{"iss": issuer, "sub": "a", "device_id": "d", "wait": wait}),
		} {
			g.post(path, body).want(status)
		}
		for _, path := range []string{"/v1/blocks/" + block, "/v1/step-ups/" + stepUp} {
			g.do("DELETE", path+"?wait="+wait, "").want(map[int]int{201: 200, 400: 400}[status])
		}
	}
}
