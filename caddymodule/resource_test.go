package caddymodule_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const describedSites = `
http://127.0.0.1:APPPORT {
	handle /api/* {
		curfew {
			scope api:read
		}
		reverse_proxy UPSTREAM
	}
	handle /own/* {
		curfew {
			resource_metadata off
		}
		reverse_proxy UPSTREAM
	}
	handle {
		@billing path /billing /billing/*
		curfew @billing billing {
			require_bound_tokens
		}
		@guarded not path /public /public/* /billing /billing/* /.well-known/*
		curfew @guarded
		reverse_proxy UPSTREAM
	}
}
` + operatorSites

// RFC 9728: who knows only an address finds out where to get a token for it.
func TestAResourceIsDescribedWhereItsChallengeSays(t *testing.T) {
	g := start(t, global, describedSites)
	for path, want := range map[string]struct {
		at     string
		scopes []string
		bound  bool
	}{
		"/api/v1/x":      {"/api", []string{"api:read"}, false},
		"/billing":       {"/billing", []string{"billing:write"}, true},
		"/billing/2/pdf": {"/billing", []string{"billing:write"}, true},
		"/billings":      {"", nil, false},
		"/":              {"", nil, false},
	} {
		a := g.get(path, "")
		_, rest, _ := strings.Cut(a.Header.Get("WWW-Authenticate"), `Bearer resource_metadata="`)
		at, _, ok := strings.Cut(rest, `"`)
		if a.StatusCode != 401 || !ok || at != g.app+"/.well-known/oauth-protected-resource"+want.at {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.Header.Get("WWW-Authenticate"))
			continue
		}
		before := g.upstream.count()
		d := g.get(strings.TrimPrefix(at, g.app), "")
		var got struct {
			Resource      string   `json:"resource"`
			Servers       []string `json:"authorization_servers"`
			Scopes        []string `json:"scopes_supported"`
			Methods       []string `json:"bearer_methods_supported"`
			Algorithms    []string `json:"dpop_signing_alg_values_supported"`
			BoundRequired bool     `json:"dpop_bound_access_tokens_required"`
		}
		if err := json.Unmarshal([]byte(d.body), &got); err != nil || d.StatusCode != 200 || d.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %d %s", at, d.StatusCode, d.body)
		}
		if got.Resource != g.app+want.at || !slices.Equal(got.Servers, []string{g.issuer.URL}) || !slices.Equal(got.Scopes, want.scopes) ||
			!slices.Equal(got.Methods, []string{"header"}) || !slices.Contains(got.Algorithms, "ES256") || got.BoundRequired != want.bound {
			t.Errorf("%s is described as %s", path, d.body)
		}
		if g.upstream.count() != before {
			t.Errorf("%s: the service was asked", at)
		}
	}
	for _, path := range []string{"/own", "/api/v1", "/nothing", "-of-mine"} { // the application's own
		if a := g.get("/.well-known/oauth-protected-resource"+path, ""); strings.Contains(a.body, "authorization_servers") {
			t.Errorf("%s is described: %s", path, a.body)
		}
	}
	if a := g.get("/own/x", ""); a.StatusCode != 401 || strings.Contains(a.Header.Get("WWW-Authenticate"), "resource_metadata") {
		t.Errorf("it is off, and the challenge is %s", a.Header.Get("WWW-Authenticate"))
	}
	for _, host := range []string{`evil"x`, "evil.example.com, DPoP", "a b"} {
		a := g.get("/", "", func(r *http.Request) { r.Host = host })
		if strings.Contains(a.Header.Get("WWW-Authenticate"), "evil") {
			t.Errorf("host %q is in the challenge %s", host, a.Header.Get("WWW-Authenticate"))
		}
	}
}
