package caddymodule_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"curfew.dev/curfew/token/tokentest"
)

// docs/refusals.md describes this for scripts of another origin.
func TestAScriptOfAnotherOriginCanReadARefusal(t *testing.T) {
	const origin = "https://shop.example.com"
	g := start(t, global, strings.Replace(sites, "\t@guarded", `	@shop header Origin https://shop.example.com
	header @shop {
		?Access-Control-Allow-Origin https://shop.example.com
		?Access-Control-Expose-Headers "WWW-Authenticate, Retry-After"
		?Vary Origin
	}
	@guarded`, 1))
	from := func(origin string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Origin", origin) }
	}
	for name, a := range map[string]answer{
		"refused":  g.get("/", "", from(origin)),
		"admitted": g.get("/", g.token("alice"), from(origin)),
	} {
		h := a.Header
		if h.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") || h.Get("Vary") != "Origin" {
			t.Errorf("%s (%d): %v", name, a.StatusCode, h)
		}
	}
	if a := g.get("/", "", from("https://other.example.com")); a.StatusCode != 401 || a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %d %v", a.StatusCode, a.Header)
	}
}

// docs/backends.md describes this for lists.
func TestAListInAnIdentityHeaderIsJSON(t *testing.T) {
	g := start(t, global, strings.Replace(sites, "identity_header X-User-Email email", "identity_header X-Groups groups", 1))
	for name, groups := range map[string]any{
		"list":   []any{"admins", "ops & more", "Zoë", "100%", `a "b"`},
		"empty":  []any{},
		"object": map[string]any{"team": "ops"},
		"number": 7.0,
	} {
		if a := g.get("/", g.token("alice", tokentest.Claims{"groups": groups})); a.StatusCode != 200 {
			t.Fatalf("%s: %d %s", name, a.StatusCode, a.body)
		}
		text, err := url.PathUnescape(strings.Join(g.upstream.header("X-Groups"), ""))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got any
		if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, groups) {
			t.Errorf("%s: %q, %v, want %v", name, text, err, groups)
		}
	}
	for name, groups := range map[string]any{"none": nil, "empty text": ""} {
		g.get("/", g.token("alice", tokentest.Claims{"groups": groups}))
		if got := g.upstream.header("X-Groups"); got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}
