package caddymodule_test

import (
	"strings"
	"testing"

	"curfew.dev/curfew/token/tokentest"
)

func TestExplainNamesTheClaimThatCantBeRead(t *testing.T) {
	g := start(t, global, sites)
	for claim, c := range map[string]struct {
		value  any
		status int
		says   string
	}{
		"acr":       {1, 200, `"ignored_claims":["acr"]`},
		"amr":       {"pwd", 200, `"ignored_claims":["amr"]`},
		"sid":       {"", 200, `"ignored_claims":["sid"]`},
		"auth_time": {"1795168740", 401, "auth_time is not a number"},
		"tid":       {12345678, 401, "tid is not a string"},
	} {
		token := g.token("alice", tokentest.Claims{claim: c.value})
		if a := g.get("/", token); a.StatusCode != c.status {
			t.Errorf("%s: %d %s", claim, a.StatusCode, a.body)
		}
		a := g.call(helpdesk, "POST", "/v1/explain", map[string]any{"token": token})
		if !strings.Contains(a.body, c.says) || strings.Contains(a.body, "1795168740") || strings.Contains(a.body, "12345678") {
			t.Errorf("%s: %s", claim, a.body)
		}
	}
	// A route that asks for a claim that can't be read asks in vain.
	token := g.token("alice", tokentest.Claims{"acr": 1, "scope": "billing:write"})
	if a := g.get("/billing/x", token); a.StatusCode != 401 || !strings.Contains(a.body, "step-up") && !strings.Contains(a.Header.Get("WWW-Authenticate"), "insufficient_user_authentication") {
		t.Errorf("acr of another type: %d %s %v", a.StatusCode, a.body, a.Header)
	}
}

// An access token as Cognito makes it has no aud, and says who it is for by its
// client.
func TestATokenWithoutAudIsForItsClient(t *testing.T) {
	g := prepare(t)
	lenient := strings.Replace(strings.Replace(global, "audience api", "audience web", 1), "client web", "accept access_token lenient", 1)
	token := g.token("alice", tokentest.Claims{"aud": nil, "token_use": "access"})
	g.load(lenient, sites)
	g.awaitReady()
	if a := g.get("/", token); a.StatusCode != 401 {
		t.Errorf("without the option: %d %s", a.StatusCode, a.body)
	}
	if a := g.call(helpdesk, "POST", "/v1/explain", map[string]any{"token": token}); !strings.Contains(a.body, "no audience") {
		t.Errorf("explain: %s", a.body)
	}
	g.load(strings.Replace(lenient, "accept", "audience_claim client_id\n\t\t\taccept", 1), sites)
	if a := g.get("/", token); a.StatusCode != 200 {
		t.Errorf("with it: %d %s", a.StatusCode, a.body)
	}
	if a := g.get("/", g.token("alice", tokentest.Claims{"aud": "web", "client_id": "mobile"})); a.StatusCode != 401 {
		t.Errorf("of another client: %d %s", a.StatusCode, a.body)
	}
}
