package admin

import (
	"slices"
	"testing"
	"time"

	"curfew.dev/curfew/revocation"
)

func (g *gateway) previewed(body string) previewed {
	g.Helper()
	var p previewed
	g.as(readToken).post("/v1/revocations/preview", body).want(200).into(&p)
	return p
}

type previewed struct {
	PreviewID     string    `json:"preview_id"`
	ExpiresAt     time.Time `json:"expires_at"`
	Mode          string
	Accounts      int
	Sessions      int
	Devices       int
	LiveRequests  int      `json:"live_requests"`
	ExemptClients []string `json:"exempt_clients"`
	Limits        []string
	Incomplete    bool
}

func (g *gateway) sees(subject, client, session, device, tenant string) {
	c := &revocation.Credential{Issuer: issuer, Subject: subject, Client: client, Session: session, Device: device, Tenant: tenant}
	c.Seal()
	g.seen.Note(c)
}

func TestPreview(t *testing.T) {
	g := newGateway(t, func(c *Config) {
		c.LiveRequests = func(t revocation.Target) int { return len(t.Tenant) }
	})
	g.sees("alice", "web", "s1", "d1", "acme")
	g.sees("alice", "app", "s2", "d1", "acme")
	g.sees("alice", "xbox-console", "s3", "d3", "acme")
	g.sees("bob", "web", "s4", "", "acme")
	p := g.previewed(alice())
	if p.Accounts != 1 || p.Sessions != 2 || p.Devices != 1 || p.Mode != "sign_in" || !slices.Equal(p.ExemptClients, []string{"a-console", "xbox-console"}) {
		t.Errorf("%+v", p)
	}
	if got := p.ExpiresAt.Sub(g.now()).Round(time.Second); got != 5*time.Minute {
		t.Errorf("good for %s", got)
	}
	if p := g.previewed(onTargetOf("iss", issuer, "tenant", "acme")); p.Accounts != 2 || p.LiveRequests != 4 {
		t.Errorf("%+v", p)
	}
	if p := g.previewed(onTargetOf("iss", issuer, "sub", "nobody")); p.Accounts != 1 || p.Sessions != 0 {
		t.Errorf("%+v", p)
	}
	if p := g.previewed(text(object{"target": object{"iss": issuer, "sub": "alice"}, "include_exempt": true})); p.Sessions != 3 || len(p.ExemptClients) != 0 {
		t.Errorf("%+v", p)
	}
	if g.count() != 1 {
		t.Error("a preview was written")
	}
}

// Where there are other nodes, this one can't say how much they have seen.
func TestOneNodeOfManyKnowsAPart(t *testing.T) {
	for nodes, want := range map[int]bool{0: false, 1: false, 2: true} {
		g := newGateway(t, func(c *Config) { c.ExpectNodes = nodes })
		if p := g.previewed(alice()); p.Incomplete != want {
			t.Errorf("%d nodes expected: the preview is incomplete %t", nodes, p.Incomplete)
		}
		var seen sessionsReply
		g.post("/v1/sessions/search", text(object{"iss": issuer, "sub": "alice"})).want(200).into(&seen)
		if seen.Incomplete != want {
			t.Errorf("%d nodes expected: the sessions are incomplete %t", nodes, seen.Incomplete)
		}
	}
}

func TestWideWritesNeedTheirPreview(t *testing.T) {
	g := newGateway(t)
	tenant := func(more object) string {
		body := object{"target": object{"iss": issuer, "tenant": "acme"}}
		for name, value := range more {
			body[name] = value
		}
		return text(body)
	}
	at := g.now().Add(-time.Minute).UTC().Format(time.RFC3339)
	id := g.previewed(tenant(nil)).PreviewID
	for name, body := range map[string]object{
		"none": {}, "unknown": {"preview_id": "prv_00"}, "mode": {"preview_id": id, "mode": "refresh"}, "at": {"preview_id": id, "at": at},
		"exempt": {"preview_id": id, "include_exempt": true}, "target": {"preview_id": id, "target": object{"iss": issuer, "tenant": "other"}},
		"wider": {"preview_id": id, "target": object{"iss": issuer}}, "narrower": {"preview_id": id, "target": object{"iss": issuer, "sub": "a"}},
	} {
		t.Log(name)
		g.post("/v1/revocations", tenant(body)).want(409, "preview-required")
	}
	g.post("/v1/revocations", tenant(object{"preview_id": ""})).want(422, "invalid-request")
	g.post("/v1/revocations", tenant(object{"preview_id": id, "mode": "sign_in", "reason": "x"})).want(201)
	g.post("/v1/blocks", tenant(object{"preview_id": id})).want(201)
	g.post("/v1/step-ups", tenant(object{"preview_id": id})).want(201)
	if !g.refused(revocation.Credential{Issuer: issuer, Subject: "x", Tenant: "acme"}) {
		t.Error("the tenant is admitted")
	}

	dated := object{"at": at, "mode": "refresh", "include_exempt": true}
	dated["preview_id"] = g.previewed(tenant(dated)).PreviewID
	g.post("/v1/revocations", tenant(dated)).want(201)

	g.pass(previewAge + time.Second)
	g.post("/v1/revocations", tenant(object{"preview_id": id})).want(409, "preview-required")
}

func TestMaxAffected(t *testing.T) {
	g := newGateway(t)
	for _, subject := range []string{"a", "b", "c"} {
		g.sees(subject, "web", "", "", "acme")
	}
	body := object{"target": object{"iss": issuer, "tenant": "acme"}}
	body["preview_id"] = g.previewed(text(body)).PreviewID
	body["max_affected"] = 2
	g.post("/v1/revocations", text(body)).want(409, "preview-exceeded")
	body["max_affected"] = 3
	g.post("/v1/revocations", text(body)).want(201)
	body["max_affected"] = -1
	g.post("/v1/revocations", text(body)).want(422, "invalid-request")
	narrow := object{"target": object{"iss": issuer, "sub": "a"}, "max_affected": 0}
	g.post("/v1/revocations", text(narrow)).want(409, "preview-exceeded")
	narrow["max_affected"] = 1
	g.post("/v1/revocations", text(narrow)).want(201)
}

func TestMemoryIsBounded(t *testing.T) {
	var m Memory
	now := time.Unix(0, 0)
	for i := range maxPreviews + 10 {
		m.keep(text(i), preview{expires: now.Add(previewAge)}, now)
	}
	if len(m.previews) != maxPreviews || len(m.order) != maxPreviews {
		t.Errorf("%d previews, %d in order", len(m.previews), len(m.order))
	}
	later := now.Add(previewAge + 1)
	m.keep("last", preview{expires: later.Add(previewAge)}, later)
	if _, ok := m.shown("last", later); len(m.previews) != 1 || !ok {
		t.Errorf("%d previews", len(m.previews))
	}
}
