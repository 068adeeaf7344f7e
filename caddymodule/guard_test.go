package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

// Every row of section 7 that a request alone can reach: status, challenge,
// problem, and an upstream that is not contacted.
func TestRefusals(t *testing.T) {
	g := start(t, global, sites)
	now := time.Now().Unix()
	for _, c := range []struct {
		name, path, token string
		edit              func(*http.Request)
		status            int
		challenge         string
		problem           string
	}{
		{"no credential", "/", "", nil, 401, `Bearer resource_metadata="ORIGIN/.well-known/oauth-protected-resource", DPoP algs="ES256 ES384 ES512 EdDSA Ed25519 PS256 PS384 PS512 RS256 RS384 RS512"`, "urn:curfew:no-credential"},
		{
			"repeated header", "/", "x", func(r *http.Request) { r.Header.Add("Authorization", "Bearer y") }, 400,
			`Bearer error="invalid_request", error_description="The request carries more than one credential, or one in the wrong place"`,
			"urn:curfew:ambiguous-credential",
		},
		{
			"query token", "/?access_token=x", g.token("alice"), nil, 400,
			`Bearer error="invalid_request", error_description="The request carries more than one credential, or one in the wrong place"`,
			"urn:curfew:ambiguous-credential",
		},
		{
			"garbage", "/", "garbage", nil, 401, `Bearer error="invalid_token", error_description="The access token is not valid here"`,
			"urn:curfew:invalid-token",
		},
		{
			"expired", "/", g.token("alice", tokentest.Claims{"exp": now - 10}), nil, 401,
			`Bearer error="invalid_token", error_description="The access token is not valid here"`, "urn:curfew:invalid-token",
		},
		{
			"weak", "/billing/x", g.token("alice"), nil, 401,
			`Bearer error="insufficient_user_authentication", error_description="A stronger or more recent sign-in is required", acr_values="mfa phr", max_age="600"`,
			"urn:curfew:step-up-required",
		},
		{
			"scope", "/billing", g.token("alice", tokentest.Claims{"acr": "mfa"}), nil, 403,
			`Bearer error="insufficient_scope", error_description="The access token does not cover this", scope="billing:write"`,
			"urn:curfew:insufficient-scope",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := g.upstream.count()
			var edits []func(*http.Request)
			if c.edit != nil {
				edits = append(edits, c.edit)
			}
			a := g.get(c.path, c.token, edits...)
			if a.StatusCode != c.status || a.problem() != c.problem {
				t.Errorf("got %d %s, want %d %s", a.StatusCode, a.body, c.status, c.problem)
			}
			if got := strings.Join(a.Header.Values("WWW-Authenticate"), "\n"); got != strings.Replace(c.challenge, "ORIGIN", g.app, 1) {
				t.Errorf("WWW-Authenticate:\n got %s\nwant %s", got, c.challenge)
			}
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Error("a refusal may be cached")
			}
			if g.upstream.count() != before {
				t.Error("the upstream was contacted")
			}
		})
	}
}

func TestAdmittedCarriesIdentity(t *testing.T) {
	g := start(t, global, sites)
	a := g.get("/", g.token("alice", tokentest.Claims{"email": "zoë@example.com"}))
	if a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	for name, want := range map[string]string{
		"Curfew-Authenticated": "true", "Curfew-Issuer": g.issuer.URL, "Curfew-Subject": "alice", "Curfew-Client": "web",
		"Curfew-Session": "sid-alice", "Curfew-Device": "phone-alice", "Curfew-Tenant": "contoso", "Curfew-Scope": "read",
		"Curfew-Acr": "pwd", "Curfew-Amr": "pwd", "X-User-Email": "zo%C3%AB@example.com",
	} {
		if got := g.upstream.header(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if g.get("/public/x", "").StatusCode != 200 {
		t.Error("a public route was guarded")
	}
}

func TestSignOutEverywhere(t *testing.T) {
	g := start(t, global, sites)
	alice, console, bob := g.token("alice"), g.token("alice", tokentest.Claims{"client_id": "xbox-console"}), g.token("bob")
	for _, token := range []string{alice, console, bob} {
		if a := g.get("/", token); a.StatusCode != 200 {
			t.Fatalf("before: %d %s", a.StatusCode, a.body)
		}
	}
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	if a := g.get("/", alice); a.StatusCode != 401 || a.problem() != "urn:curfew:signed-out" {
		t.Errorf("alice: %d %s", a.StatusCode, a.body)
	}
	refreshed := g.token("alice", tokentest.Claims{"iat": time.Now().Unix()})
	if a := g.get("/", refreshed); a.StatusCode != 401 || a.problem() != "urn:curfew:signed-out" {
		t.Errorf("alice refreshed: %d %s", a.StatusCode, a.body)
	}
	for name, token := range map[string]string{"console": console, "bob": bob} {
		if a := g.get("/", token); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
}

// A trial of a stricter policy behind a guard that enforces takes nothing away.
func TestDryRunBehindAGuardKeepsItsIdentity(t *testing.T) {
	g := start(t, global, strings.Replace(sites, "curfew @billing billing", "curfew @billing billing {\n\t\tdry_run\n\t}", 1))
	a := g.get("/billing", g.token("alice"))
	if a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	if got := g.upstream.header("Curfew-Subject"); len(got) != 1 || got[0] != "alice" {
		t.Errorf("Curfew-Subject: %q", got)
	}
	if got := g.upstream.header("Curfew-Authenticated"); len(got) != 1 || got[0] != "true" {
		t.Errorf("Curfew-Authenticated: %q", got)
	}
}
