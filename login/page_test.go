package login

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// B7.
func TestPlainPagesAreInert(t *testing.T) {
	const canary = `"><script>alert(1)</script>`
	for _, kind := range PageKinds {
		w := httptest.NewRecorder()
		PlainPages{}.Write(w, httptest.NewRequest(http.MethodGet, app+"/", nil), &Page{
			Kind: kind, Status: 400, SignIn: canary, Name: canary, Link: "javascript:" + canary, Form: &Form{Action: providerURL + "/logout", Fields: []Param{{"a", canary}}},
			Choices: []Choice{{canary, "javascript:" + canary}},
		})
		body, h := w.Body.String(), w.Header()
		if w.Code != 400 || says[kind].Text == "" || strings.Contains(body, "<script") || strings.Contains(body, "javascript:") {
			t.Errorf("%s: %d %s", kind, w.Code, body)
		}
		if h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "form-action 'self' "+providerURL+";") ||
			strings.Contains(h.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: %v", kind, h)
		}
	}
}
