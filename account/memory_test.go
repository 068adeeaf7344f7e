package account_test

import (
	"runtime"
	"testing"
	"unsafe"
	"weak"

	"curfew.dev/curfew/account"
	"curfew.dev/curfew/revocation"
)

// A sighting must not keep its token in memory: a hundred thousand tokens,
// signatures included, would outlive the cache that bounds them.
func TestASightingKeepsNoToken(t *testing.T) {
	type token struct {
		credential revocation.Credential
		_          [1 << 10]byte
	}
	payload := []byte("https://login.example.com alice web session phone jti kid contoso mfa pwd read api")
	text := unsafe.String(&payload[0], len(payload))
	seen := new(account.Sightings)
	for range 2 { // the second replaces the first
		verified := &token{credential: revocation.Credential{
			Issuer: text[:25], Subject: text[26:31], Client: text[32:35], Session: text[36:43], Device: text[44:49],
			TokenID: text[50:53], KeyID: text[54:57], Tenant: text[58:65], ACR: text[66:69], AMR: []string{text[70:73]},
			Scope: []string{text[74:78]}, Audiences: []string{text[79:82]}, IssuedAt: 2, AuthTime: 1, ExpiresAt: 3,
		}}
		verified.credential.Seal()
		seen.Note(&verified.credential)
		gone := weak.Make(verified)
		verified = nil
		runtime.GC()
		if gone.Value() != nil {
			t.Error("the token is kept")
		}
	}
	gone := weak.Make(&payload[0])
	payload, text = nil, ""
	runtime.GC()
	if gone.Value() != nil {
		t.Error("the token's payload is kept")
	}
	for _, target := range []revocation.Target{
		{Issuer: "https://login.example.com", Subject: "alice"},
		{Issuer: "https://login.example.com", TokenID: "jti"},
		{Issuer: "https://login.example.com", SignedBy: "kid"},
		{Issuer: "https://login.example.com", Tenant: "contoso"},
	} {
		if r := seen.Reach(target, nil); r != (account.Reach{Accounts: 1, Sessions: 1, Devices: 1}) {
			t.Errorf("%v reaches %+v", target, r)
		}
	}
	if r := seen.Reach(revocation.Target{Issuer: "https://login.example.com", Subject: "alice"}, []string{"web"}); r.Accounts != 0 {
		t.Errorf("the client was forgotten: %+v", r)
	}
}
