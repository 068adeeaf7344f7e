package admin

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"curfew.dev/curfew/revocation"
)

// FuzzRevocationBody: whatever is sent, the answer is a receipt or a problem,
// and what is written is exactly the target that a strict reading of the body
// names.
func FuzzRevocationBody(f *testing.F) {
	for _, seed := range []string{
		alice(), onTargetOf("iss", issuer), onTargetOf("jkt", "k"), `{}`, `{"target":{}}`, `{"target":{"iss":"` + issuer + `","sub":""}}`,
		`{"target":{"iss":"` + issuer + `","sub":"a","Sub":"b"}}`, `{"target":{"iss":"` + issuer + `","sub":null}}`,
		`{"target":{"iss":"` + issuer + `","sub":"a"},"mode":"final","at":"2026-11-20T10:00:00Z","max_affected":1,"preview_id":"x"}`,
		`{"target":{"iss":"` + issuer + `","jti":"\u0000"},"reason":"x","on_behalf_of":"y","include_exempt":true,"wait":"2s"}`,
		`{"target":{"iss":"` + issuer + `","sub":"\ud800"}}`, `[]`, "\xff", `{"target":{"iss":"` + issuer + `","sid":"a"}}{}`,
	} {
		f.Add(seed)
	}
	shared := newGateway(f) // one ledger for all: opening it is slow
	f.Fuzz(func(t *testing.T, body string) {
		here := *shared
		here.TB = t
		g := &here
		r := g.request("POST", "/v1/revocations", body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != 201 {
			if w.Code >= 500 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem+json") || !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			return
		}
		var asked struct {
			Target map[string]string `json:"target"`
		}
		if err := json.Unmarshal([]byte(body), &asked); err != nil {
			t.Fatalf("accepted what is not JSON: %v", err)
		}
		written := map[string]string{}
		for _, m := range g.last().Target.Members() {
			written[m.Name] = m.Value
		}
		if text(written) != text(asked.Target) {
			t.Fatalf("wrote %v for %s", written, body)
		}
		if kind, _ := g.last().Target.Kind(); kind.Wide() || kind == revocation.KindInvalid {
			t.Fatalf("wrote a wide target without a preview: %s", body)
		}
	})
}
