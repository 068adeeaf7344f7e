package admin

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/seal"
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

// A preview is in its id. It confirms the write wherever the same keys are, and
// the same clients exempt; nothing else opens it.
func TestAPreviewHoldsOnEveryNodeWithTheKey(t *testing.T) {
	shared, retired := seal.RandomKey(), seal.RandomKey()
	with := func(keys seal.Keys, exempt ...string) *gateway {
		return newGateway(t, func(c *Config) {
			c.SealingKeys = func() seal.Keys { return keys }
			c.Issuers[0].ExemptClients = exempt
		})
	}
	here := with(seal.Keys{shared}, "console")
	body := object{"target": object{"iss": issuer, "tenant": "acme"}}
	body["preview_id"] = here.previewed(text(body)).PreviewID
	for name, c := range map[string]struct {
		there  *gateway
		status int
	}{
		"here":                 {here, 201},
		"another node":         {with(seal.Keys{shared}, "console"), 201},
		"after a rotation":     {with(seal.Keys{retired, shared}, "console"), 201},
		"another key":          {with(seal.Keys{retired}, "console"), 409},
		"no key":               {with(nil, "console"), 409},
		"other exempt clients": {with(seal.Keys{shared}, "console", "kiosk"), 409},
		"no exempt clients":    {with(seal.Keys{shared}), 409},
	} {
		for _, path := range []string{"/v1/revocations", "/v1/blocks", "/v1/step-ups"} {
			if r := c.there.post(path, text(body)); r.Code != c.status {
				t.Errorf("%s: %s: %d %s", name, path, r.Code, r.Body)
			}
		}
	}
	for _, forged := range []string{"prv_", "prv_1..", "1" + body["preview_id"].(string)[4:], body["preview_id"].(string) + "A", strings.Repeat("x", 256)} {
		forgery := object{"target": body["target"], "preview_id": forged}
		here.post("/v1/revocations", text(forgery)).want(409, "preview-required")
	}
	here.post("/v1/revocations", text(object{"target": body["target"], "preview_id": strings.Repeat("x", 257)})).want(422, "invalid-request")
}

// Without a sealing key a preview holds on its own node, and through a reload.
func TestAPreviewWithoutAKeyHoldsOnItsNode(t *testing.T) {
	g := newGateway(t)
	body := object{"target": object{"iss": issuer, "tenant": "acme"}}
	body["preview_id"] = g.previewed(text(body)).PreviewID
	h, err := New(Config{
		Node: g.node, Memory: g.memory, Now: g.now, Authenticate: Local,
		Issuers: []revocation.Issuer{{URL: issuer, TenantClaim: "org_id", Retention: time.Hour, ExemptClients: []string{"a-console", "xbox-console"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	reloaded := *g
	reloaded.Handler = h
	reloaded.post("/v1/revocations", text(body)).want(201)
	newGateway(t).post("/v1/revocations", text(body)).want(409, "preview-required")
}

// Whatever a reader previews, the preview of the operator confirms.
func TestAReaderDoesNotKeepAnOperatorFromBreakingTheGlass(t *testing.T) {
	g := newGateway(t)
	body := object{"target": object{"iss": issuer}}
	var mine previewed
	g.post("/v1/revocations/preview", text(body)).want(200).into(&mine)
	refused := 0
	for i := range 20 * askRate.AtOnce {
		if g.as(readToken).post("/v1/revocations/preview", onTargetOf("iss", issuer, "sub", fmt.Sprint(i))).Code == 429 {
			refused++
		}
		if refused > 100 {
			break
		}
	}
	if refused == 0 {
		t.Error("a reader may preview for ever")
	}
	g.post("/v1/revocations/preview", text(body)).want(200)
	body["preview_id"] = mine.PreviewID
	g.post("/v1/revocations", text(body)).want(201)
}
