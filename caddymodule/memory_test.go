package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"testing"
)

// When memory runs out, new records are refused, records in force stay, and a
// lift still works (F-18).
func TestF18NoMemory(t *testing.T) {
	g := start(t, global, sites)
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	alice := g.token("alice")
	cut := fmt.Sprintf(`{"target":{"iss":%q,"sub":"bob"}}`, g.issuer.URL)
	held := g.call(helpdesk, "POST", "/v1/blocks", cut)
	var receipt struct{ ID string }
	if err := json.Unmarshal([]byte(held.body), &receipt); err != nil {
		t.Fatal(err)
	}
	before := debug.SetMemoryLimit(1 << 20)
	runtime.GC()
	defer debug.SetMemoryLimit(before)
	for _, path := range []string{"/v1/revocations", "/v1/blocks"} {
		if a := g.call(helpdesk, "POST", path, cut); a.StatusCode != http.StatusInsufficientStorage {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	if a := g.call(helpdesk, "DELETE", "/v1/blocks/"+receipt.ID, ""); a.StatusCode != http.StatusOK {
		t.Errorf("lifting: %d %s", a.StatusCode, a.body)
	}
	if a := g.get("/x", alice); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("what is in force: %d", a.StatusCode)
	}
	debug.SetMemoryLimit(before)
	if a := g.call(helpdesk, "POST", "/v1/revocations", cut); a.StatusCode != http.StatusCreated {
		t.Errorf("with memory: %d %s", a.StatusCode, a.body)
	}
}
