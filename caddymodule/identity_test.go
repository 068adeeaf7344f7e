package caddymodule

import (
	"net/http"
	"strings"
	"testing"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// Handlers behind a guard may change headers in place, as Caddy's
// request_header does with a replacement, or append to them. Whatever they do
// to one request of a token, the next one tells who it is.
func TestRequestsOfATokenShareNoHeaderValues(t *testing.T) {
	alice := &token.Token{Credential: revocation.Credential{
		Issuer: "https://login.example.com", Subject: "alice", Client: "web", Session: "s", Device: "d", Tenant: "t",
		Scope: []string{"read"}, ACR: "mfa", AMR: []string{"pwd"}, AuthTime: 1, ExpiresAt: 2,
	}}
	var id identity
	set := func() http.Header {
		h := make(http.Header)
		id.set(h, alice, new(headerValues))
		return h
	}
	want := set().Clone()
	if len(want) != len(identityHeaders) {
		t.Fatalf("%d headers, want all %d", len(want), len(identityHeaders))
	}
	for range 2 {
		meddled, beside := set(), set()
		for name, values := range meddled {
			meddled[name] = append(values, "mallory")
			values[0] = strings.ToUpper(values[0]) + "-mallory"
		}
		for _, h := range []http.Header{beside, set()} {
			for name, values := range want {
				if got := h[name]; len(got) != 1 || got[0] != values[0] {
					t.Errorf("%s is %q, want %q", name, got, values)
				}
			}
		}
		for name, values := range meddled {
			if len(values) != 2 || values[1] != "mallory" {
				t.Errorf("%s: appending to one header ran into another: %q", name, values)
			}
		}
	}
}
